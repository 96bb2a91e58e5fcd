"""What a store learns from its items and from questions: relevance, the fusion of words and vectors, aspects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_int, check_random_state
from .crossing import Recoding
from .handle import Handle
from .writing import check_embedding

if TYPE_CHECKING:
    from ..decide import FusionReport, Judge, QueryJudge
    from ..encode import Encoder
    from ..transform import Aspects


class Fitting(Handle):
    """The part of :class:`nearfield.store.Store` that fits things and keeps them with it."""

    def fit_fusion(
        self, queries: Any, text: Sequence[str], relevant: Any, *, bags: Any = None, random_state: int = 0
    ) -> FusionReport:
        """Learn from judged queries how vectors and words together tell relevance; kept with the store.

        From then on hits of a search by ``text`` carry ``relevance``, the probability that they are relevant, are
        ordered by it, and ``max_false`` cuts them. Without it standings are added, which ranks nearly as well. The
        judged queries stay with the store, to fit it again (:meth:`refit`).

        Parameters
        ----------
        queries : (q, d) vectors, at least 40 of them; some hundred are good.
        text : the same queries as texts.
        relevant : for each query the ids of the items that answer it, or a dict of id -> grade. What is not named
            counts as not relevant.
        bags : the same queries as :class:`~nearfield.encode.Bags`, for a store that keeps bags: searches by vector,
            text and bags, and by bags alone, are then fitted as well. ``queries`` may be None where the store has an
            ``encoding``. Bags do not stay with the store: :meth:`refit` leaves what was learnt of them as it is, and
            a move to another model forgets it.
        random_state : draws the folds of the report.

        Returns
        -------
        FusionReport : measured on queries held out in turn; ``report.loses_to`` names a leg that is better alone.

        Raises
        ------
        ValueError : no texts in the store; too few queries with an answer among their hundred best by either leg.
        """
        from .text_search import Judgements, fit_fusion

        self._writing()
        judged = self._reader.view(lambda view, _: Judgements.check(queries, text, relevant, random_state, view, bags))
        return fit_fusion(self._reader, judged)

    def fit_aspects(
        self,
        aspects: Mapping[str, str] | Sequence[str] | Aspects,
        *,
        n_components: int = 64,
        shrinkage: float = 0.1,
        sample: int = 50_000,
        random_state: int = 0,
    ) -> Aspects:
        """Learn named spaces in the store's vectors, one for each kind of label, for ``search(aspect=)``; kept with it.

        Parameters
        ----------
        aspects : names of attributes of type bool, int or string whose values are the labels; or name -> attribute; or
            fitted :class:`~nearfield.transform.Aspects`. They take the place of those before.
        n_components, shrinkage : see :class:`~nearfield.transform.Aspects`.
        sample : so many random items are learnt from.

        Notes
        -----
        The first search of an aspect maps all items, and each handle holds the mapped rows in memory: four bytes for
        each direction, at most ``n_components`` an aspect. They are scanned, exactly. A move to another model
        (:meth:`upgrade`) ends them; fit them again after it.

        Examples
        --------
        >>> import tempfile, numpy as np
        >>> from nearfield.store import Store
        >>> rng = np.random.default_rng(0)
        >>> topic, language = rng.integers(3, size=300), rng.integers(2, size=300)
        >>> x = rng.standard_normal((3, 8))[topic] + rng.standard_normal((2, 8))[language] + 0.1
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=8, attributes={"topic": "int", "language": "int"})
        >>> labels = {"topic": topic.tolist(), "language": language.tolist()}
        >>> store.add(range(300), x.astype(np.float32), attributes=labels)
        300
        >>> _ = store.fit_aspects(["topic", "language"])
        >>> hits = store.search(like=0, aspect={"topic": 1.0, "language": -1.0}, k=5, attributes=True)
        >>> all(hit["topic"] == topic[0] for hit in hits.attributes)
        True
        >>> any(hit["language"] == language[0] for hit in hits.attributes)
        False
        >>> store.close(); folder.cleanup()
        """
        from . import aspects as kept

        maintenance = self._writing()[1]
        with maintenance.lock:
            maintenance.writer.purge()
            view = self._viewer.current()
            made, attributes = kept.fit(view, aspects, n_components, shrinkage, sample, random_state)
            kept.publish(made, attributes, self._catalogue)
        return made

    def fit_judge(
        self,
        queries: Any = None,
        labels: Any = None,
        *,
        hidden: float = 0.0075,
        nearest: int = 10,
        sample: int = 3000,
        background: int = 1024,
        text: Sequence[str] | None = None,
        random_state: int = 0,
    ) -> Judge:
        """Fit the relevance judge from the store's own items and keep it; hits carry ``relevance`` from then on.

        Every item is searched once, so on a large store :meth:`optimize` first. The judge keeps its meaning while the
        store stays much the same; ``stats()["judge"]`` says when it has gone stale, and :meth:`refit` fits it again.
        Where it is known which items answer some dozens of queries, :meth:`fit_query_judge` learns from that instead.

        Parameters
        ----------
        queries, labels : optional (m, d) vectors and m bools, True where the store holds an answer: refines the judge.
            Without labels the store is taken to answer all of them: thirty such examples are worth it when queries
            are unlike the stored items (questions against abstracts). With a hundred of either kind the cut also
            learns to depend on what is asked.
        hidden, nearest : see :class:`nearfield.decide.Judge`.
        sample : how many items are asked as if they were queries; more narrows the rates.
        background : how many random items each of them is compared with.
        text : the labelled queries as texts, kept for a move to another model, which can then encode them.

        Raises
        ------
        ValueError : fewer than 50 items.
        """
        maintenance = self._writing()[1]
        check_int(sample, "sample", 20)
        check_int(background, "background", 20)
        check_random_state(random_state)
        if queries is None and (labels is not None or text is not None):
            raise ValueError("queries: expected the labelled queries, got None")
        from ..decide import Judge
        from . import judging

        judge = Judge(hidden=hidden, nearest=nearest, random_state=random_state)
        asked, truth = np.empty((0, self.dim), np.float32), np.empty(0, bool)
        if queries is not None:
            asked, truth = judging.check_labelled(queries, labels, self._shape)
        how = judging.Fit(sample, background, asked, truth, judging.check_texts(text, len(asked)))
        judging.fit_and_publish(judge, maintenance, self._shape, how)
        return judge

    def fit_query_judge(
        self,
        queries: Any,
        relevant: Sequence[Any],
        *,
        shown: Sequence[Any] | None = None,
        text: Sequence[str] | None = None,
        set_aside: float = 0.5,
        hidden: float = 0.0,
        form: str = "linear",
        nearest: int = 10,
        random_state: int = 0,
    ) -> QueryJudge:
        """Learn from labelled queries, or from clicks, what is relevant to a query, and keep that as the store's judge.

        Hits then carry ``relevance``, each the probability that it would be labelled relevant, and ``max_false`` cuts
        them with a guarantee: half of the queries are not learnt from but say where to cut. The labelled queries stay
        with the store, by the ids of the items, and are used again by :meth:`refit` and at the end of a move to another
        model. Choose :meth:`fit_judge` where there are no labels; the later of the two is the store's judge.

        Parameters
        ----------
        queries : (m, d) vectors, 20 at least; some hundred are good.
        relevant : for each query the ids of the items that answer it. None of them: the store holds no answer. With 40
            such queries, ``max_false`` is about queries like these; with fewer, about queries like all the others when
            what answers them is not there.
        shown : for each query the ids that were shown, best first, where ``relevant`` is what was clicked: what was
            passed over above the last click is not relevant, of the rest nothing is known, and a query without a click
            tells nothing. None: what is not named in ``relevant`` is not relevant.
        text : the queries as texts. A move to another model then encodes them, instead of mapping their vectors.
        set_aside, hidden, form, nearest : see :class:`nearfield.decide.QueryJudge`.
        random_state : draws the queries that are set aside.

        Raises
        ------
        ValueError : fewer than 20 queries whose answers the store holds; labels of one kind only.

        Examples
        --------
        >>> import tempfile
        >>> from nearfield.store import Store
        >>> rng = np.random.default_rng(0)
        >>> topics = rng.standard_normal((60, 16))
        >>> items = np.repeat(topics, 5, axis=0) + 0.2 * rng.standard_normal((300, 16))
        >>> queries = topics + 0.2 * rng.standard_normal((60, 16))
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=16)
        >>> store.add(list(range(300)), items.astype(np.float32))
        300
        >>> judge = store.fit_query_judge(
        ...     queries[:50].astype(np.float32), [list(range(5 * topic, 5 * topic + 5)) for topic in range(50)]
        ... )
        >>> hits = store.search(queries[55].astype(np.float32), k=10, max_false=0.05)
        >>> len(hits), sorted(hits.ids[:5])
        (5, [275, 276, 277, 278, 279])
        >>> judge.unanswerable_, judge.n_set_aside_, judge.guarantee(0.05).seen
        ('hidden', 25, 0.0)
        >>> store.close(); folder.cleanup()
        """
        from ..decide import QueryJudge
        from . import query_judging

        maintenance = self._writing()[1]
        judge = QueryJudge(form=form, nearest=nearest, set_aside=set_aside, hidden=hidden, random_state=random_state)
        labelled = query_judging.Labelled.check(queries, relevant, shown, text, self._shape)
        query_judging.fit_and_publish(judge, maintenance, self._shape, labelled)
        return judge

    def refit(self, encoder: Encoder | None = None) -> list[str]:
        """Fit again what was learnt: the judge and the fusion, by their settings and labels, to the items as they are.

        Worth it when a fifth of the items has changed; :meth:`compact` and :meth:`optimize` do it by themselves then.
        And after a move to another model that could only map the labelled queries, so that ``max_false`` is refused.

        Parameters
        ----------
        encoder : the store's model, to encode the labelled queries again whose texts are kept; None takes their vectors
            as they are.

        Returns
        -------
        list : the names of what was fitted, of "judge" and "fusion". What cannot be fitted any more stays as it was.
        """
        from . import refitting

        self._writing()
        if encoder is not None:
            made_by, known = check_embedding(encoder.fingerprint(), self.dim), self._meta().get("embedding")
            if known is not None and made_by != known:
                raise ValueError(f"encoder: expected the model of {known}, got that of {made_by}")
        recoding = None if encoder is None else Recoding(self._shape, encoder)
        return refitting.run(self, self._reader.view(lambda view, _: refitting.learnt(self, view, recoding)))

    def _refit_stale(self) -> None:
        from . import refitting

        refitting.run(self, self._reader.view(lambda view, _: refitting.stale(self, view)))

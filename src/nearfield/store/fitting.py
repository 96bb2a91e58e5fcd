"""What a store learns from its items and from questions: relevance, the fusion of words and vectors, aspects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_int, check_random_state
from .handle import Handle

if TYPE_CHECKING:
    from ..decide import FusionReport, Judge
    from ..transform import Aspects


class Fitting(Handle):
    """The part of :class:`nearfield.store.Store` that fits things and keeps them with it."""

    def fit_fusion(
        self, queries: Any, text: Sequence[str], relevant: Any, *, bags: Any = None, random_state: int = 0
    ) -> FusionReport:
        """Learn from judged queries how vectors and words together tell relevance; kept with the store.

        From then on hits of a search by ``text`` carry ``relevance``, the probability that they are relevant, are
        ordered by it, and ``max_false`` cuts them. Without it standings are added, which ranks nearly as well.

        Parameters
        ----------
        queries : (q, d) vectors, at least 40 of them; some hundred are good.
        text : the same queries as texts.
        relevant : for each query the ids of the items that answer it, or a dict of id -> grade. What is not named
            counts as not relevant.
        bags : the same queries as :class:`~nearfield.encode.Bags`, for a store that keeps bags: searches by vector,
            text and bags, and by bags alone, are then fitted as well. ``queries`` may be None where the store has an
            ``encoding``.
        random_state : draws the folds of the report.

        Returns
        -------
        FusionReport : measured on queries held out in turn; ``report.loses_to`` names a leg that is better alone.

        Raises
        ------
        ValueError : no texts in the store; too few queries with an answer among their hundred best by either leg.
        """
        from .text_search import fit_fusion

        self._writing()
        check_random_state(random_state)
        return fit_fusion(self._reader, queries, text, relevant, bags, random_state)

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
        random_state: int = 0,
    ) -> Judge:
        """Fit the relevance judge from the store's own items and keep it; hits carry ``relevance`` from then on.

        Every item is searched once, so on a large store :meth:`optimize` first. The judge keeps its meaning while the
        store stays much the same; ``stats()["judge"]`` says when it has gone stale.

        Parameters
        ----------
        queries, labels : optional (m, d) vectors and m bools, True where the store holds an answer: refines the judge.
            Without labels the store is taken to answer all of them: thirty such examples are worth it when queries
            are unlike the stored items (questions against abstracts). With a hundred of either kind the cut also
            learns to depend on what is asked.
        hidden, nearest : see :class:`nearfield.decide.Judge`.
        sample : how many items are asked as if they were queries; more narrows the rates.
        background : how many random items each of them is compared with.

        Raises
        ------
        ValueError : fewer than 50 items.
        """
        maintenance = self._writing()[1]
        check_int(sample, "sample", 20)
        check_int(background, "background", 20)
        check_random_state(random_state)
        if queries is None and labels is not None:
            raise ValueError("queries: expected the labelled queries, got None")
        from ..decide import Judge
        from . import judging

        judge = Judge(hidden=hidden, nearest=nearest, random_state=random_state)
        asked, truth = np.empty((0, self.dim), np.float32), np.empty(0, bool)
        if queries is not None:
            asked, truth = judging.check_labelled(queries, labels, self._shape)
        how = judging.Fit(sample, background, asked, truth)
        judging.fit_and_publish(judge, maintenance, self._shape, how)
        return judge

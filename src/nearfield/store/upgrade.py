"""Moving a store to another embedding model while it serves: what its owner sees of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state, check_real, check_vectors
from ..common.decoding import decoding
from ..common.progress import Progress
from . import upgrading
from .crossing import encoded as encoded_texts
from .hits import Item
from .ids import Id, check_ids, is_single
from .mixture import Mixture
from .segment import logger
from .snapshot import Shape, View
from .tables import find_keys, read_arrays
from .verdict import told, worse
from .writing import as_stored, check_embedding

if TYPE_CHECKING:
    from ..encode import Encoder
    from .handle import Handle
    from .weighing import Judged, Taught

PAIRS_KEPT = 5_000
_ORDERS = ("gain", "random", "arrival")


class Upgrade:
    """A store on its way from one embedding model to another.

    :meth:`nearfield.store.Store.upgrade` begins it, ``store.upgrading`` is it after a restart and in other processes;
    readers can look, the writer can go on. Until :meth:`finish` the store answers queries of the old model as it always
    did, and queries of the new one from what is encoded and, for the rest, from mapped vectors. Each call that changes
    something is one transaction, durable when it returns.

    Attributes
    ----------
    dim, metric, embedding : of the new model.
    loss : what the map loses, as plain data: the share of the new model's nearest items that a search over mapped
        vectors alone misses, ``value`` from ``low`` to ``high``, measured on held-out pairs.
    choice : the map that was chosen, the loss by the number of pairs, and ``enough``, the number beyond which it stops
        falling; plain data.
    weight : of the new model beside the old one, from 0 (the old one's answers) to 1 (the new one alone, where it
        encoded an item), when both are asked; 0.7 unless judged questions were given.
    judged : what these told; None without.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from nearfield.store import Store
    >>> rng = np.random.default_rng(0)
    >>> old = rng.standard_normal((200, 8)).astype(np.float32)
    >>> new = old @ np.linalg.qr(rng.standard_normal((12, 8)))[0].T.astype(np.float32)  # turned, in more dimensions
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = Store.create(folder.name + "/a.nf", dim=8)
    >>> store.add(list(range(200)), old)
    200
    >>> upgrade = store.upgrade(pairs=(list(range(50)), new[:50]))
    >>> upgrade.done, upgrade.left, store.search(new[77], k=1).ids, store.search(old[77], k=1).ids
    (50, 150, [77], [77])
    >>> while upgrade.left:
    ...     ids = upgrade.next(64)
    ...     _ = upgrade.put(ids, new[ids])
    >>> upgrade.finish()
    >>> store.dim, store.upgrading is None, store.search(new[77], k=1).ids
    (12, True, [77])
    >>> store.close(); folder.cleanup()
    """

    def __init__(self, store: Handle, meta: Mapping[str, Any]):
        self._store = store
        self._identity = meta["identity"]
        self._handed: dict[Id, int] = {}
        self._encoder: Encoder | None = None  # the new model, where it was given
        self.dim: int = meta["dim"]
        self.metric: str = meta["metric"]
        self.embedding: dict[str, Any] | None = meta["embedding"]

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def choice(self) -> dict[str, Any]:
        """The map that was chosen, and what else was tried."""
        return dict(self._look(lambda view: self._following(view).meta["choice"]))

    @property
    def loss(self) -> dict[str, Any]:
        """What the map loses, with its interval."""
        return dict(self.choice["loss"])

    @property
    def weight(self) -> float:
        """How far the new model is believed where both are asked."""
        return self._look(lambda view: Mixture.of(self._following(view).meta).encoded)

    @property
    def judged(self) -> dict[str, Any] | None:
        """What judged questions tell, measured when ``done`` items were encoded; None where there are none.

        ``weight``, and nDCG@10 over ``questions``: by the ``old`` model alone, by the ``new`` one alone, and by
        ``both``, each question by the weight that others chose. ``among`` compares the models by encoded items alone,
        which no map blurs: ``old``, ``new``, over how many ``questions``, and which is ``better``, "old", "new" or None
        where that cannot be told; None itself where fewer than 20 questions have an answer there.
        """
        found = self._look(lambda view: self._following(view).meta.get("judged"))
        return None if found is None else dict(found)

    @property
    def done(self) -> int:
        """How many living items the new model has encoded."""
        return self._look(lambda view: len(self._following(view).encoded(view)))

    @property
    def left(self) -> int:
        """How many it has not."""
        return self._look(lambda view: view.items - len(self._following(view).encoded(view)))

    def __str__(self) -> str:
        from ..tune.map_choice import TELLING

        choice, done, left = self.choice, self.done, self.left
        loss = choice["loss"]
        enough = f"more pairs than {choice['enough']:,} gain little" if choice["enough"] else "more pairs would help"
        if not choice["enough"] and loss["queries"] < TELLING:
            enough = f"{loss['queries']:,} queries cannot tell whether more pairs would help"
        if choice["pairs"] <= self._store.dim:
            enough += f"; fewer pairs than the {self._store.dim} dimensions mapped, so the map is regularised"
        judged = self.judged
        return (
            f"{done:,} of {done + left:,} items encoded by the new model; for the others a map ({choice['name']}, "
            f"{choice['pairs']:,} pairs) loses {loss['value']:.3f} [{loss['low']:.3f}, {loss['high']:.3f}] of the new "
            f"model's {loss['k']} nearest; {enough}"
        ) + ("" if judged is None else f"; {told(judged)}")

    def __repr__(self) -> str:
        name = f"Upgrade(dim={self.dim}, metric={self.metric!r}, embedding={self.embedding!r}"
        try:
            judged, weight = self.judged, self.weight
        except ValueError:  # the move has ended, or the store is closed
            return f"{name})"
        warning = "" if judged is None else worse(judged)
        return f"{name}, weight={weight:g})" + (f"; {warning}" if warning else "")

    # -- going on -----------------------------------------------------------------------------------------------------

    def next(self, n: int = 256, *, order: str = "gain", random_state: int = 0) -> list[Id]:
        """The ids of the next items to encode, at most ``n``; an empty list when there are none left.

        Ask for some hundredths of the store at a time: the order is found anew each time from what is known by then.

        Parameters
        ----------
        order : "gain" takes those first that the answers to the sample queries depend on most; where there are no
            sample queries, those near to many items. "arrival" takes the oldest, "random" any.
        random_state : draws the sample queries where there are many, and the random order.
        """
        from .order import next_keys

        check_int(n, "n", 1)
        check_choice(order, "order", _ORDERS)
        check_random_state(random_state)

        def named(view: View) -> list[Id]:
            if order == "gain":
                keys = next_keys(self._checked(view), n, random_state)
            else:
                every = [live.part.keys[live.rows()] for live in view.parts]
                rest = np.setdiff1d(
                    np.concatenate([np.empty(0, np.int64), *every]), self._following(view).encoded(view)
                )
                if order == "random":
                    rest = np.random.default_rng(random_state).permutation(rest)
                keys = rest[:n]
            ids: list[Any] = view.gather_ids(*view.locate(keys))
            self._handed.update(zip(ids, keys.tolist(), strict=True))
            return ids

        return self._look(named)

    def put(self, ids: Any, vectors: Any) -> int:
        """Take vectors of the new model for these items; returns how many items were not encoded before.

        Where there are judged questions, they are asked again after it when that is due (:attr:`weigh_due`).

        Passed over are ids that are not there, items encoded already (:meth:`Store.upsert` replaces an item), and items
        that were replaced since :meth:`next` named them, for their vector is of what they were.
        """
        writer = self._store._writing()[0]
        named, _ = check_ids(ids, writer.kind)
        shape = self._shape()
        array, _ = check_vectors(vectors, dim=shape.dim, nonzero=shape.metric == "cosine")
        if len(named) != len(array):
            raise ValueError(f"ids: expected one id per vector, got {len(named)} ids for {len(array)} vectors")
        taken = upgrading.put(writer, self._identity, named, as_stored(array, shape), self._handed)
        for identifier in named:
            self._handed.pop(identifier, None)
        if self.weigh_due:
            self._weigh()
        return taken

    def get(self, ids: Any) -> Any:
        """The new model's vectors of these items, None where there is none; one for a single id."""

        def found(view: View, connection: Any) -> list[np.ndarray | None]:
            wanted, _ = check_ids(ids, view.meta.get("id_type"), unique=False)
            keys = find_keys(connection, dict.fromkeys(wanted))
            column = np.array([keys.get(identifier, -1) for identifier in wanted], np.int64)
            column[~np.isin(column, self._following(view).encoded(view))] = -1
            parts, rows = view.newer.locate(column)
            vectors = view.newer.gather_vectors(parts, rows, view.newer.shape)
            return [vector if key >= 0 else None for key, vector in zip(column.tolist(), vectors, strict=True)]

        vectors = self._store._reader.view(found, transaction=True)
        return vectors[0] if is_single(ids) else vectors

    def run(
        self,
        encoder: Encoder,
        text: str | Callable[[Item], str] = "text",
        *,
        share: float = 1.0,
        batch: int | None = None,
        order: str = "gain",
        relearn: bool = True,
        progress: bool | None = None,
    ) -> int:
        """Encode items, those first that gain most, until a share of the store is done; returns how many that was.

        Ctrl-C, or a kill, loses the batch under way and nothing else; called again it goes on from there.

        Parameters
        ----------
        encoder : of the new model.
        text : where an item's text is: a key of its payload (a payload that is text itself will do), or a function of
            the item.
        share : of the living items, in (0, 1].
        batch : items a transaction; None takes a fiftieth of the store, 16 to 1024.
        order, progress : see :meth:`next`; None shows a bar on a terminal.
        relearn : whether to learn the map again whenever that is due (see :meth:`relearn`): up to 5,000 pairs and half
            of the items, some minutes in all beside the encoder's.
        """
        check_real(share, "share", 0.0, 1.0, open_low=True)
        self._refuse_encoder(encoder)
        self._encoder = encoder
        items = len(self._store)
        wanted = round(share * items) - self.done
        size = max(16, min(1024, items // 50)) if batch is None else check_int(batch, "batch", 1)
        encoded = 0
        with Progress("encoding", max(0, wanted), unit="items", enabled=progress) as bar:
            while encoded < wanted:
                ids = self.next(min(size, wanted - encoded), order=order)
                if not ids:
                    break
                there, texts = texts_of(self._store, ids, text)
                encoded += self.put(there, encoded_texts(encoder, texts, self.dim, self.metric))
                bar.update(len(ids))
                if relearn and self.relearn_due:
                    self.relearn()
        return encoded

    @property
    def relearn_due(self) -> bool:
        """Whether there are twice as many pairs as the map was learnt from, and half of the items still need it."""
        from .learning import most_pairs

        def due(view: View) -> bool:
            following = self._following(view)
            choice, done = following.meta["choice"], len(following.encoded(view))
            there = min(done + following.meta.get("beside", 0), most_pairs(following.queries))
            return bool(2 * done <= view.items and there >= 2 * choice["pairs"])

        return self._look(due)

    def relearn(self, *, random_state: int = 0) -> None:
        """Learn the map again, from all items encoded so far and the pairs given as vectors at the beginning.

        Worth it each time their number has doubled, when :attr:`relearn_due` is true; :meth:`run` does it by itself.
        Mapped vectors are computed again by the next search of every process (see ``docs/concepts-upgrade.md``).
        """
        from .learning import learn
        from .weighing import samples

        writer = self._store._writing()[0]
        check_random_state(random_state)

        def known(view: View, connection: Any) -> tuple[Any, ...]:
            following = self._following(view)
            beside = read_arrays(connection, writer.catalogue.path, "pairs")
            judged = self._kept(connection) if "judged" in following.meta else None
            asked = samples(following.queries, judged)
            return *_encoded(view, random_state), beside, view, following.meta, dict(following.queries), asked

        old, new, beside, view, meta, queries, asked = self._store._reader.view(known, transaction=True)
        if beside:
            old, new = (np.concatenate([beside[name], rows]) for name, rows in (("old", old), ("new", new)))
        learned = learn(old, new, view.shape.metric, self.metric, random_state, asked, rows=max(2, view.items))
        said = upgrading.settings(
            learned, self.dim, self.metric, self.embedding, self._identity, meta["learnt"] + 1, meta["begun"]
        )
        upgrading.relearn(writer, said, upgrading.arrays_of(learned, queries, beside))
        if self.judged is not None:
            self._weigh()

    @property
    def weigh_due(self) -> bool:
        """Whether judged questions were asked when another map was there, or much has been encoded since.

        Much is half as much again, or a tenth of the store: the last items change answers as the first ones do. Once
        all are encoded, they are asked for the last time.
        """

        def due(view: View) -> bool:
            following = self._following(view)
            judged = following.meta.get("judged")
            if judged is None:
                return False
            done = len(following.encoded(view))
            much = 1 if done == view.items else max(1, min(judged["done"] // 2, view.items // 10))
            return bool(judged["learnt"] != following.meta["learnt"] or done - judged["done"] >= much)

        return self._look(due)

    def weigh(self, queries: Any = None, old_queries: Any = None, relevant: Sequence[Any] | None = None) -> float:
        """Measure by judged questions how far the new model is to be believed; returns the weight, kept from now on.

        The questions are asked of the store as it is. The weight is the one whose gain over the old model alone is the
        largest that can be vouched for (see ``docs/concepts-upgrade.md``). :meth:`put`, :meth:`run` and
        :meth:`relearn` do it again when that is due; call it after many items were replaced or deleted.

        Parameters
        ----------
        queries, old_queries : (q, d_new) and (q, d_old) vectors, row by row the same questions; texts where the encoder
            was given in this process, for ``queries``. None: those that there are.
        relevant : for each the ids of the items that answer it, of 20 questions at least.

        Raises
        ------
        ValueError : no judged questions, or fewer than 20 whose answers the store holds; nothing is changed.
        """
        from .beginning import asked

        given = None
        if not all(part is None for part in (queries, old_queries, relevant)):
            store, shape = self._store, self._shape()
            kept = asked(store, self._encoder, queries, old_queries, relevant, (shape.dim, shape.metric), store._shape)
            if kept.judged is None:
                raise ValueError("relevant: expected the ids that answer each of the queries, got None")
            given = kept.judged
        elif self.judged is None:
            raise ValueError("relevant: expected judged questions, as this move has none")
        self._weigh(given, strict=True)
        return self.weight

    def _kept(self, connection: Any) -> Judged:
        """The judged questions."""
        from .weighing import Judged

        path = self._store._catalogue.path
        with decoding(path, "the judged questions of the move"):
            return Judged.of(read_arrays(connection, path, "judged"))

    def _questions(self, given: Judged | None = None) -> tuple[View, Judged, list[np.ndarray], Taught]:
        """The moment, the questions it holds answers to, the keys of these, and what the map was learnt from."""
        from . import weighing

        path = self._store._catalogue.path

        def known(view: View, connection: Any) -> tuple[Any, ...]:
            following = self._following(view)
            judged = self._kept(connection) if given is None else given
            keys = find_keys(connection, {name for ids in judged.relevant for name in ids})
            beside = read_arrays(connection, path, "pairs")
            # Those that came after the map was learnt had no part in it.
            since = following.meta["learnt"] if given is not None else following.meta["judged"]["since"]
            asked = weighing.samples(following.queries, judged if following.meta["learnt"] > since else None)
            return view, weighing.told(view, judged, keys), _encoded(view, 0), beside, asked

        view, (judged, relevant), (old, new), beside, asked = self._store._reader.view(known, transaction=True)
        if beside:
            old, new = (np.concatenate([beside[name], rows]) for name, rows in (("old", old), ("new", new)))
        return view, judged, relevant, weighing.Taught(old, new, asked)

    def _weigh(self, given: Judged | None = None, *, strict: bool = False) -> None:
        """Ask the judged questions, and keep what they tell; where too few have an answer left, the weight stays."""
        from . import weighing

        writer = self._store._writing()[0]
        view, judged, relevant, taught = self._questions(given)
        meta = self._following(view).meta
        if strict:
            weighing.refuse_few(len(relevant))
        if len(relevant) < weighing.LEAST:
            logger.warning(
                "%s: %d judged questions have an answer left; the weight stays", self._store.path, len(relevant)
            )
            said = {**meta["judged"], "done": len(self._following(view).encoded(view)), "learnt": meta["learnt"]}
        else:
            since = meta["learnt"] if given is not None else meta["judged"]["since"]
            said = {**weighing.weigh(view, judged, relevant, taught), "since": since}
        upgrading.weigh(writer, self._identity, said, {} if given is None else given.to_arrays())

    def finish(self, encoder: Encoder | None = None) -> None:
        """Drop the old model: from this one transaction on, the store holds the new vectors alone.

        The index is built before it, while the store serves; what is deleted or added with new vectors meanwhile comes
        along. The plan was of the old distances and goes: ``optimize()`` makes a new one. So do the judge and the
        fusion, and where there were any, they are fitted again right after the transaction: to the new vectors, by the
        same settings, with the labelled queries they had. Those whose texts are kept are encoded by ``encoder``, the
        new model; None takes the one that :meth:`Store.upgrade` or :meth:`run` was given in this process. Of those that
        were given to the move by both models (``queries`` and ``old_queries``) the new vectors are known. A query judge
        that has neither takes the judged questions of the move, if there are any. All others are mapped to the new
        space, and rates of mapped queries are not those of true ones: a query judge and a fusion then refuse
        ``max_false``, and the log says so. (A kill in between leaves none; fit them anew.)
        Other handles follow at their next call. ValueError, and nothing changed, while an item is not encoded.
        """
        from . import refitting
        from .crossing import Crossing

        store = self._store
        maintenance = store._writing()[1]
        if encoder is not None:
            self._refuse_encoder(encoder)
            self._encoder = encoder

        def learnt(view: View, connection: Any) -> list[refitting.Fit]:
            judged = self._kept(connection) if "judged" in self._following(view).meta else None
            return refitting.learnt(store, view, Crossing(view, self._encoder, judged))

        upgrading.refuse_unencoded(self._look(self._checked))
        fits = store._reader.view(learnt, transaction=True)
        upgrading.finish(maintenance, self._identity)
        refitting.run(store, fits)

    def abandon(self, *, keep_mapped: bool = False) -> None:
        """Give up, by one transaction: the store is as if the move had not begun, with all that was written since.

        ``keep_mapped`` keeps items that were added with new vectors alone, under the old vectors that the map gave
        them; without it they are a ValueError.
        """
        upgrading.abandon(self._store._writing()[1], self._identity, keep_mapped)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _look(self, answer: Callable[[View], Any]) -> Any:
        return self._store._reader.view(lambda view, _: answer(view))

    def _following(self, view: View) -> Any:
        if view.next is None or view.next.meta["identity"] != self._identity:
            raise ValueError("upgrade: this move of the store has ended; look at store.upgrading")
        return view.next

    def _checked(self, view: View) -> View:
        self._following(view)
        return view

    def _shape(self) -> Shape:
        shape: Shape = self._look(lambda view: self._following(view).shape)
        return shape

    def _refuse_encoder(self, encoder: Any) -> None:
        fingerprint = check_embedding(encoder.fingerprint(), self.dim)
        if self.embedding is not None and fingerprint != self.embedding:
            raise ValueError(f"encoder: expected the model of {self.embedding}, got that of {fingerprint}")


def texts_of(store: Handle, ids: Sequence[Id], text: str | Callable[[Item], str]) -> tuple[list[Id], list[str]]:
    """The texts of those of the items that are there, in the order of ``ids``."""
    items = [item for item in store._reader.get(list(ids)) if item is not None]
    return [item.id for item in items], [_text_of(item, text) for item in items]


def _text_of(item: Item, text: str | Callable[[Item], str]) -> str:
    found: Any = None
    if callable(text):
        found = text(item)
    elif isinstance(item.payload, str):
        found = item.payload
    elif isinstance(item.payload, Mapping):
        found = item.payload.get(text)
    if found is None and not callable(text):
        found = item.text
    if not isinstance(found, str):
        where = "the function" if callable(text) else f"{text!r} in the payload"
        raise ValueError(f"text: expected {where} to give the text of item {item.id!r}, got {type(found).__name__}")
    return found


def _encoded(view: View, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Old and new vectors of the encoded items, or of as many as a map is learnt from."""
    assert view.next is not None
    keys = view.next.encoded(view)
    keys = np.sort(np.random.default_rng(random_state).permutation(keys)[:PAIRS_KEPT])
    old, new = (space.gather_vectors(*space.locate(keys), space.shape) for space in (view, view.newer))
    return old, new

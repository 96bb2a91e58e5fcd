"""Moving a store to another embedding model while it serves: what its owner sees of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state, check_real, check_vectors
from ..common.progress import Progress
from . import upgrading
from .hits import Item
from .ids import Id, check_ids, is_single
from .snapshot import Shape, View
from .tables import find_keys, read_arrays
from .writing import as_stored, check_embedding

if TYPE_CHECKING:
    from ..encode import Encoder
    from .handle import Handle

LEAST_PAIRS = 20
_ORDERS = ("gain", "random", "arrival")
_QUERIES_KEPT = 2000
_PAIRS_KEPT = 5_000


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
        return (
            f"{done:,} of {done + left:,} items encoded by the new model; for the others a map ({choice['name']}, "
            f"{choice['pairs']:,} pairs) loses {loss['value']:.3f} [{loss['low']:.3f}, {loss['high']:.3f}] of the new "
            f"model's {loss['k']} nearest; {enough}"
        )

    def __repr__(self) -> str:
        return f"Upgrade(dim={self.dim}, metric={self.metric!r}, embedding={self.embedding!r})"

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

        Passed over are ids that are not there, items encoded already (:meth:`Store.upsert` replaces an item), and items
        that were replaced since :meth:`next` named them, for their vector is of what they were.
        """
        writer = self._store._writing()[0]
        named, _ = check_ids(ids, writer.kind)
        shape = self._shape()
        array, _ = check_vectors(vectors, dim=shape.dim, nonzero=shape.metric == "cosine")
        if len(named) != len(array):
            raise ValueError(f"ids: expected one id per vector, got {len(named)} ids for {len(array)} vectors")
        taken = upgrading.put(writer, shape, self._identity, named, as_stored(array, shape), self._handed)
        for identifier in named:
            self._handed.pop(identifier, None)
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
                encoded += self.put(there, encoder.encode(texts, progress=False)) if there else 0
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

        writer = self._store._writing()[0]
        check_random_state(random_state)

        def known(view: View, connection: Any) -> tuple[Any, ...]:
            following = self._following(view)
            keys = following.encoded(view)
            keys = np.sort(np.random.default_rng(random_state).permutation(keys)[:_PAIRS_KEPT])
            vectors = [space.gather_vectors(*space.locate(keys), space.shape) for space in (view, view.newer)]
            beside = read_arrays(connection, writer.catalogue.path, "pairs")
            return vectors, beside, view, following.meta, dict(following.queries)

        (old, new), beside, view, meta, queries = self._store._reader.view(known, transaction=True)
        if beside:
            old, new = (np.concatenate([beside[name], rows]) for name, rows in (("old", old), ("new", new)))
        learned = learn(old, new, view.shape.metric, self.metric, random_state, queries, rows=max(2, view.items))
        said = upgrading.settings(
            learned, self.dim, self.metric, self.embedding, self._identity, meta["learnt"] + 1, meta["begun"]
        )
        said["beside"] = meta.get("beside", 0)
        upgrading.relearn(writer, said, upgrading.arrays_of(learned, queries, beside))

    def finish(self, encoder: Encoder | None = None) -> None:
        """Drop the old model: from this one transaction on, the store holds the new vectors alone.

        The index is built before it, while the store serves; what is deleted or added with new vectors meanwhile comes
        along. The plan was of the old distances and goes: ``optimize()`` makes a new one. So do the judge and the
        fusion, and where there were any, they are fitted again right after the transaction: to the new vectors, by the
        same settings, with the labelled queries they had. Those whose texts are kept are encoded by ``encoder``, the
        new model; None takes the one that :meth:`Store.upgrade` or :meth:`run` was given in this process. The others
        are mapped to the new space. (A kill in between leaves none; fit them anew.)
        Other handles follow at their next call. ValueError, and nothing changed, while an item is not encoded.
        """
        from . import refitting
        from .crossing import Crossing

        store = self._store
        maintenance = store._writing()[1]
        if encoder is not None:
            self._refuse_encoder(encoder)
            self._encoder = encoder

        def learnt(view: View) -> list[refitting.Fit]:
            self._following(view)
            return refitting.learnt(store, view, Crossing(view, self._encoder))

        upgrading.refuse_unencoded(self._look(self._checked))
        fits = self._look(learnt)
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


def start(
    store: Handle,
    encoder: Encoder | None,
    pairs: Any,
    text: str | Callable[[Item], str],
    metric: str | None,
    embedding: Any,
    queries: Any,
    old_queries: Any,
    random_state: int,
) -> Upgrade:
    """See :meth:`Store.upgrade`."""
    from .learning import learn

    writer = store._writing()[0]
    check_random_state(random_state)
    if store._meta().get("next"):
        raise ValueError("upgrade: the store is being moved already; go on with store.upgrading, or abandon() it")
    own = store._shape
    after = own.metric if metric is None else check_choice(metric, "metric", ("cosine", "ip", "l2"))
    ids, old, new = _pairs(store, encoder, pairs, text, own, random_state)
    new, _ = check_vectors(new, "pairs", dim=None if encoder is None else encoder.dim, nonzero=after == "cosine")
    if len(old) != len(new):
        raise ValueError(f"pairs: expected one new vector for each of {len(old)} items, got {len(new)}")
    if len(old) < LEAST_PAIRS:
        raise ValueError(f"pairs: expected at least {LEAST_PAIRS} items encoded by both models, got {len(old)}")
    dim = new.shape[1]
    fingerprint = check_embedding(encoder.fingerprint() if embedding is None and encoder else embedding, dim)
    if fingerprint is not None and fingerprint == store._meta().get("embedding"):
        raise ValueError(f"embedding: the store holds vectors of this model already: {fingerprint}")
    kept = _queries(store, encoder, queries, old_queries, (dim, after), own)
    learned = learn(old, new, own.metric, after, random_state, kept, rows=max(2, len(store)))
    shape = Shape(dim, own.dtype, after, own.schema)
    said = upgrading.settings(learned, dim, after, fingerprint, "", 1)
    beside = {}
    if not ids:
        some = np.sort(np.random.default_rng(random_state).permutation(len(old))[:_PAIRS_KEPT])
        beside = {"old": old[some], "new": new[some]}
        said["beside"] = len(some)
    arrays = upgrading.arrays_of(learned, kept, beside)
    upgrading.begin(writer, said, arrays, ids, as_stored(new, shape) if ids else new)
    begun = Upgrade(store, store._meta()["next"])
    begun._encoder = encoder
    return begun


def _pairs(
    store: Handle, encoder: Encoder | None, pairs: Any, text: Any, own: Shape, random_state: int
) -> tuple[list[Id], np.ndarray, Any]:
    """Ids (none where the pairs are no items), old vectors, new vectors."""
    if isinstance(pairs, int) and not isinstance(pairs, bool):
        check_int(pairs, "pairs", LEAST_PAIRS)
        if encoder is None:
            raise ValueError(f"encoder: expected the new model, to encode {pairs} items with, got None")
        ids = store._reader.view(lambda view, _: _sample_ids(view, pairs, random_state))
        ids, texts = texts_of(store, ids, text)
        return ids, _old_vectors(store, ids), encoder.encode(texts) if texts else np.empty((0, encoder.dim), np.float32)
    if not isinstance(pairs, Sequence) or len(pairs) != 2:
        raise TypeError(
            "pairs: expected a number of items, (ids, new vectors) or (old vectors, new vectors), got "
            f"{type(pairs).__name__}"
        )
    first, new = pairs
    if np.ndim(first) == 2:
        old, _ = check_vectors(first, "pairs", dim=own.dim, nonzero=own.metric == "cosine")
        return [], old, new
    named, _ = check_ids(first, store._meta().get("id_type"))
    return named, _old_vectors(store, named), new


def _sample_ids(view: View, count: int, random_state: int) -> list[Any]:
    keys = np.concatenate([np.empty(0, np.int64), *(live.part.keys[live.rows()] for live in view.parts)])
    some = np.sort(np.random.default_rng(random_state).permutation(keys)[:count])
    return view.gather_ids(*view.locate(some))


def _old_vectors(store: Handle, ids: list[Id]) -> np.ndarray:
    items = store._reader.get(ids) if ids else []
    missing = [identifier for identifier, item in zip(ids, items, strict=True) if item is None]
    if missing:
        raise ValueError(f"pairs: {len(missing)} of the ids are not in the store, such as {missing[:5]!r}")
    vectors = [item.vector for item in items]
    return np.asarray(vectors, np.float32).reshape(len(ids), store._shape.dim)


def _queries(
    store: Handle, encoder: Encoder | None, queries: Any, old_queries: Any, of: tuple[int, str], own: Shape
) -> dict[str, np.ndarray]:
    """The sample queries that are kept with the store."""
    from .store import LEAST_OBSERVED

    found: dict[str, np.ndarray] = {}
    if queries is not None:
        if len(queries) and isinstance(queries[0], str):
            if encoder is None:
                raise ValueError("queries: expected vectors, as there is no encoder for texts")
            queries = encoder.encode(list(queries))
        found["new"], _ = check_vectors(queries, "queries", dim=of[0], nonzero=of[1] == "cosine")
    if isinstance(old_queries, str):
        check_choice(old_queries, "old_queries", ("observed",))
        asked = store._watch.record.queries(store._viewer.current())
        if len(asked) < LEAST_OBSERVED:
            raise ValueError(f"old_queries: expected at least {LEAST_OBSERVED} observed queries, found {len(asked)}")
        found["old"] = asked
    elif old_queries is not None:
        found["old"], _ = check_vectors(old_queries, "old_queries", dim=own.dim, nonzero=own.metric == "cosine")
    chosen = np.random.default_rng(0).permutation(max((len(rows) for rows in found.values()), default=0))
    return {
        name: np.ascontiguousarray(rows[np.sort(chosen[chosen < len(rows)][:_QUERIES_KEPT])], np.float32)
        for name, rows in found.items()
    }

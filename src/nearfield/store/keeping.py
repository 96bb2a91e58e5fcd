"""How a store is looked after: copies, verification, figures, drift."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.checks import check_int, check_random_state, check_vectors
from .handle import Handle

if TYPE_CHECKING:
    from ..survey import Drift
    from .reclaiming import Reclaimable
    from .verify import VerifyReport


class Keeping(Handle):
    """The part of :class:`nearfield.store.Store` that copies, checks and describes it."""

    def snapshot(self, path: str | os.PathLike[str]) -> None:
        """Copy the last committed moment to ``path``, a store of its own, while writing goes on.

        Segment files are hard-linked on the same file system, so a copy there costs little; it guards against
        mistakes, not against a failing disk. Tags stay behind. FileExistsError when ``path`` exists.
        """
        from .copying import copy_store

        copy_store(self._catalogue, Path(path).absolute())

    def verify(self, *, sample: int | None = None, repair: bool = False, random_state: int = 0) -> VerifyReport:
        """Check SQLite's integrity, every file's checksum, items against rows, and that what lives is found.

        Parameters
        ----------
        sample : how many items of each index are searched by their own vector; None searches all of them.
        repair : the writer only: rebuild indexes, codes and the index of words found damaged or missing, and link items
            that a graph does not lead to. That costs two walks an item, not a build. Primary files cannot be rebuilt.
            The report is of what was found before; ``report.repairs`` says what was done.
        """
        from .verify import Verifier

        if sample is not None:
            check_int(sample, "sample", 1)
        maintenance = self._writing()[1] if repair else None
        while True:
            generation = self._catalogue.committed_generation()
            with self._catalogue.reading() as connection:
                verifier = Verifier(self._catalogue, self._shape, connection)
                report = verifier.run(sample, random_state)
            if report.ok or self._catalogue.committed_generation() == generation:
                break
        if maintenance is not None:
            report.repairs += [f"{name}: built again" for name in maintenance.repair(verifier.damaged)]
            if verifier.words_damaged and maintenance.rebuild_words():
                report.repairs.append("the index of words: built again")
            report.repairs += [f"{name}: linked what was missed" for name in maintenance.mend(verifier.missed)]
        return report

    def reclaimable(self) -> Reclaimable:
        """How much space :meth:`Store.compact` would give back, and what it needs meanwhile; changes nothing.

        Takes a look at every file and at the pages of the catalogue; with attributes, their columns are put together
        once, since their size shows no sooner; and where a plan asks for the fast layout and no index has it yet, a
        small graph is built to learn its size.
        """
        from .reclaiming import measure

        return self._reader.view(
            lambda view, connection: measure(self._catalogue, self._shape, view, connection), transaction=True
        )

    def stats(self) -> dict[str, Any]:
        """Counts, bytes by file, resident memory, plan, judge, embedding and format, as plain data.

        ``["recall"]`` tells what was really asked, from queries repeated by this handle and by other processes: recall
        with its interval for each class of filters, an alarm where the plan's promise is not kept, drift of queries
        and of items in points of recall, and what optimizing again would gain. See ``docs/concepts-watch.md``.
        """
        from .stats import collect

        reader = self._reader
        codes = {"range_codes": reader.bounds.memory(), "group_codes": reader.groups.memory()}
        return reader.view(lambda view, _: collect(self._catalogue, self._shape, view, self._watch, codes))

    def drift(
        self, vectors: Any, *, k: int = 10, level: float = 0.05, sample: int = 2000, random_state: int = 0
    ) -> Drift:
        """Whether a new batch still comes from where the stored items came from, and what it costs; changes nothing.

        Choose it before a batch is added, or over a day's queries. :meth:`stats` tells of queries as they are asked,
        without a batch.

        Parameters
        ----------
        vectors : (m, d) the batch, rows to be stored or queries; at least ten.
        k : neighbours that count for recall.
        level : the false-alarm rate of the test, see :func:`nearfield.survey.distribution_shift`.
        sample : so many items and rows are compared; at most 500 of either are asked of the store as queries, the
            answers held against an exact scan.
        random_state : chooses them.

        Returns
        -------
        Drift
            How the batch differs; how much less of the true neighbours the store finds for it than for its own items,
            by the present plan; how much rarer an answer is, by the judge where one is fitted.

        Raises
        ------
        ValueError : fewer than 50 items, or vectors that do not fit the store.

        Examples
        --------
        >>> import tempfile, numpy as np
        >>> from nearfield.store import Store
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=4, metric="l2")
        >>> rows = np.random.default_rng(0).standard_normal((600, 4)).astype(np.float32)
        >>> store.add(range(400), rows[:400])
        400
        >>> store.drift(rows[400:]).shifted, store.drift(rows[400:] + np.float32(1)).shifted
        (False, True)
        >>> store.close(); folder.cleanup()
        """
        from .drifting import measure

        check_int(k, "k", 1)
        check_int(sample, "sample", 10)
        check_random_state(random_state)
        nonzero = self.metric == "cosine"
        batch = check_vectors(vectors, dim=self.dim, nonzero=nonzero, min_rows=1)[0]
        return self._reader.view(
            lambda view, _: measure(
                view, self._shape, batch, k=k, level=level, sample=sample, random_state=random_state
            )
        )

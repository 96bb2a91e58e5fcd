"""The fast path: connections that do nothing but search are read, answered and written by threads of their own.

The event loop spends more on reading a request and writing its answer than the search takes, and while it does, threads
that search wait for the interpreter. So it lends the connections of clients that search time and again. One thread, the
leader, waits for all of these at once, takes what has come in one call without the GIL, searches for those that ask the
same in one call, and writes the answers in one. With queries read by the core, raw ones come at 1.2 times the rate for
it, packed ones at 1.5. While a search lasts longer than most, another thread takes the lead: were there always two,
they would wait for each other's interpreter, which takes longer than what one could do while the other searches.

Only the whole of a request with a head that the event loop has parsed before (:class:`Heads`), for an operation that
gathers, is answered here, by the gate's rules. With anything else the connection goes back to the event loop, which
gets every byte that was read and not answered. So do connections that rest, those of clients that read too slowly or
have left, and all when the server stops.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import native
from .batching import MOST, TURNS
from .errors import Problem
from .heads import Heads, whole

if TYPE_CHECKING:
    from .gate import Gate, Head

logger = logging.getLogger("nearfield.serve")

# Another thread takes the lead from one that has been answering for so many seconds.
_PATIENCE = 0.005
# So many times in a row nothing has to be seen to before nobody looks for that any more.
_CALM = 200
# A connection without a request goes back after so many seconds, as does one whose request has come in part.
_REST = 2.0
_IDLE, _ASKED, _SENDING, _GONE = range(4)
_WANTED = getattr(select, "EPOLLIN", 0) | getattr(select, "EPOLLRDHUP", 0) | getattr(select, "EPOLLET", 0)


class Loan:
    """A connection while it is lent.

    It is idle; asked, until its answer is found; sending; or gone, and then nobody looks at it any more. ``data`` has
    come and is not answered: a part of a request, or what follows the one that is being answered.
    """

    __slots__ = ("connection", "data", "head", "leaving", "number", "since", "state")

    def __init__(self, connection: Any, number: int):
        self.connection = connection
        self.number = number
        self.state = _IDLE
        self.head: Head | None = None
        self.data = b""
        self.leaving = False
        self.since = time.perf_counter()


class _Asked(NamedTuple):
    """A request: whose it is, its head, all of its bytes, where its body begins."""

    loan: Loan
    head: Head
    data: bytes
    body: int


class _Batch:
    """Requests that ask the same of different queries."""

    __slots__ = ("asked", "key", "queries", "size")

    def __init__(self, key: Any):
        self.key = key
        self.asked: list[_Asked] = []
        self.queries: list[Any] = []
        self.size = 0


class FastPath:
    """The threads, and the connections that they have."""

    def __init__(self, gate: Gate, heads: Heads, most: int):
        self._gate = gate
        self._most = most
        self._heads = heads
        self._lock = threading.Lock()  # of all below
        self._free = threading.Condition(self._lock)  # nobody leads, or it is over
        self._loans: dict[int, Loan] = {}
        self._early: list[Loan] = []
        self._threads: list[threading.Thread] = []
        self._leader: int | None = None
        self._spare = 0
        self._busy = 0.0  # since when the leader answers
        self._rounds = 0
        self._watching = False
        self._sweeping = False
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        # Requests that are being answered.
        self.active = 0

    @classmethod
    def make(cls, gate: Gate, heads: Heads, most: int) -> FastPath | None:
        """A fast path for so many connections at a time, where the system has what it takes; none where every request
        has to be counted for its rate.
        """
        return cls(gate, heads, most) if most and hasattr(select, "epoll") and gate.buckets is None else None

    # -- for the event loop -------------------------------------------------------------------------------------------

    def lend(self, connection: Any, number: int) -> Loan:
        """Take over a connection, whose socket has this number, between two requests; the loop reads it no more.

        ``connection.returned(data, reply)`` will be called by the loop, with what has been read and not answered, and
        what has not been sent. OSError where there are too many, or no more descriptors: each connection takes another
        one here, which no other socket can get while it is lent.
        """
        if len(self._loans) >= self._most:
            raise OSError(errno.EMFILE, f"{self._most} connections are lent already")
        if self._loop is None:
            self._begin(connection.loop)
        loan = Loan(connection, os.dup(number))
        with self._lock:
            self._loans[loan.number] = loan
            self._poll.register(loan.number, _WANTED)
            if self._stopped:
                self._return(loan, b"")
        if not self._sweeping:
            self._sweeping = True
            connection.loop.call_later(self._period, self._sweep)
        return loan

    def recall(self, loan: Loan) -> None:
        """Have a connection back, once its request is answered."""
        with self._lock:
            loan.leaving = True
            if loan.state == _IDLE:
                self._return(loan, loan.data)

    def close(self) -> None:
        """Give everything back, and end the threads."""
        if self._loop is None:
            return
        with self._lock:
            self._stopped = True
            self._free.notify_all()
            for loan in list(self._loans.values()):
                if loan.state == _IDLE:
                    self._return(loan, loan.data)
        self._wake()
        for thread in self._threads:
            thread.join(1.0)
        if not any(thread.is_alive() for thread in self._threads):
            self._poll.close()
            os.close(self._bell)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._poll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._bell, _WANTED)
        self._period = min(_REST, self._gate.limits.request_seconds) / 4
        self._loop = loop
        with self._lock:
            self._another()

    def _watch(self, calm: int, rounds: int) -> None:
        """See to it that somebody leads who does not answer for too long."""
        with self._lock:
            if self._busy and time.perf_counter() - self._busy > _PATIENCE:
                self._leader, self._busy = None, 0.0
                if self._spare:
                    self._free.notify()
                elif len(self._threads) <= self._gate.limits.threads:  # else the first that has done leads
                    self._another()
            calm = calm + 1 if self._rounds == rounds else 0
            rounds = self._rounds
            self._watching = calm < _CALM
        if self._watching:
            asyncio.get_running_loop().call_later(_PATIENCE, self._watch, calm, rounds)

    def _sweep(self) -> None:
        """Look for who waits for too long, and who rests."""
        now = time.perf_counter()
        late: list[Loan] = []
        with self._lock:
            for loan in list(self._loans.values()):
                if loan.state == _IDLE and now - loan.since > _REST:
                    self._return(loan, loan.data)
                elif loan.state == _ASKED and now - loan.since > self._gate.limits.request_seconds:
                    self.active -= 1
                    self._forget(loan)
                    late.append(loan)
            self._sweeping = bool(self._loans)
        for loan in late:
            assert loan.head is not None
            (reply,) = self._gate.told([loan.head], [now - loan.since], [self._gate.too_late()])
            loan.connection.returned(loan.data, whole(reply, True))
        if self._sweeping:
            asyncio.get_running_loop().call_later(self._period, self._sweep)

    # -- the threads --------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while self._lead(threading.get_ident()):
            taken = self._gather()
            with self._or_declined(taken):
                self._answer(taken)

    def _lead(self, me: int) -> bool:
        """Go on leading, or wait until nobody does; False when it is over."""
        with self._lock:
            if self._leader != me:
                self._spare += 1
                self._free.wait_for(lambda: self._leader is None or self._stopped)
                self._spare -= 1
                self._leader = me
            self._busy = 0.0
            return not self._stopped

    def _gather(self) -> list[_Asked]:
        """Requests to be answered now, after a turn that brought no more; none when it is over."""
        taken: list[_Asked] = []
        turns, wait = TURNS, -1.0
        while True:
            events = self._poll.poll(wait)
            with self._lock:
                before = len(taken)
                self._read([number for number, _ in events], taken)
                if self._stopped:
                    return taken
                if len(taken) > before and turns:
                    turns, wait = turns - 1, 0.0
                elif taken:
                    self._busy = time.perf_counter()
                    self._rounds += 1
                    if not self._watching:
                        self._watching = True
                        self._tell_loop(self._watch, 0, self._rounds)
                    return taken
                else:
                    wait = -1.0

    def _read(self, numbers: list[int], taken: list[_Asked]) -> None:
        """Take in what these have sent; with the lock."""
        for loan in self._early:
            if loan.state == _IDLE and loan.data:
                early, loan.data = loan.data, b""
                self._take(loan, early, taken)
        self._early.clear()
        loans = self._loans
        there = [number for number in numbers if number in loans]
        for number, data in zip(there, native.read_sockets(there), strict=True):
            loan = loans[number]
            if data is None:
                continue
            if loan.state != _IDLE:
                loan.data += data
                loan.leaving |= not data
            elif data:
                self._take(loan, loan.data + data if loan.data else data, taken)
            else:  # the loop sees the end of it too
                self._return(loan, loan.data)

    def _take(self, loan: Loan, data: bytes, taken: list[_Asked]) -> None:
        known = self._heads.find(data)
        if known is None or len(data) > known.size:
            self._return(loan, data)
        elif len(data) < known.size:
            if not loan.data:
                loan.since = time.perf_counter()
            loan.data = data
        else:
            loan.data, loan.head = b"", known.head
            loan.state, loan.since = _ASKED, time.perf_counter()
            self.active += 1
            taken.append(_Asked(loan, known.head, data, known.body))

    def _answer(self, taken: list[_Asked]) -> None:
        """Find out what each asks for, search for those that ask the same together, and send the answers."""
        batches = self._sorted(taken)
        for batch in batches[1:]:  # not one after another: each may take its time
            try:
                self._gate.service.hosted.submit(self._answer_batch, batch)
            except Problem as problem:
                self._send(batch.asked, [problem] * len(batch.asked))
        if batches:
            self._answer_batch(batches[0])

    def _sorted(self, taken: list[_Asked]) -> list[_Batch]:
        """Those that ask the same, together; what is refused is told so, and what asks for more is left to the loop."""
        gathered = self._gate.gathered
        batches: list[_Batch] = []
        open_ones: dict[Any, _Batch] = {}
        for asked in taken:
            try:
                found = gathered(asked.head, asked.loan.connection.client, asked.data, asked.body)
            except Exception as error:
                self._send([asked], [error])
                continue
            if found is None:
                self._decline([asked])
                continue
            key, queries = found
            size = queries.size
            batch = open_ones.get(key)
            # No answer must wait for too many others.
            if batch is None or batch.size + size > MOST:
                batch = open_ones[key] = _Batch(key)
                batches.append(batch)
            batch.asked.append(asked)
            batch.queries.append(queries)
            batch.size += size
        return batches

    def _answer_batch(self, batch: _Batch) -> None:
        service = self._gate.service
        with self._or_declined(batch.asked):
            service.metrics.batch(len(batch.asked))
            try:
                values = service.batcher.answer(batch.key, batch.queries)
            except Exception as error:
                values = [error] * len(batch.asked)
            self._send(batch.asked, values)

    @contextmanager
    def _or_declined(self, those: list[_Asked]) -> Iterator[None]:
        """What fails here is a bug: who asked is not left waiting for that, nor others without this thread."""
        try:
            yield
        except Exception:
            logger.exception("the fast path failed")
            self._decline(those)

    def _send(self, those: list[_Asked], values: list[Any]) -> None:
        """Send what nobody has given up waiting for: bytes, replies or what exceptions say."""
        with self._lock:
            pairs = [pair for pair in zip(those, values, strict=True) if pair[0].loan.state == _ASKED]
            for asked, _ in pairs:
                asked.loan.state = _SENDING
            self.active -= len(pairs)
        if not pairs:
            return
        now = time.perf_counter()
        loans = [asked.loan for asked, _ in pairs]
        replies = self._gate.told(
            [asked.head for asked, _ in pairs], [now - loan.since for loan in loans], [value for _, value in pairs]
        )
        texts = [whole(reply, True) for reply in replies]
        sent = native.write_sockets([loan.number for loan in loans], texts)
        now = time.perf_counter()
        with self._lock:
            for loan, text, size in zip(loans, texts, sent, strict=True):
                loan.state, loan.since = _IDLE, now
                if size < len(text) or loan.leaving or self._stopped:
                    self._return(loan, loan.data, text[size:] if size >= 0 else b"")
                elif loan.data:
                    self._early.append(loan)
            if self._early:
                self._wake()

    def _decline(self, those: Iterable[_Asked]) -> None:
        """Leave requests to the event loop."""
        with self._lock:
            for asked in those:
                if asked.loan.state in (_ASKED, _SENDING):
                    self.active -= asked.loan.state == _ASKED
                    self._return(asked.loan, asked.data + asked.loan.data)

    # -- with the lock ------------------------------------------------------------------------------------------------

    def _return(self, loan: Loan, data: bytes, reply: bytes = b"") -> None:
        self._forget(loan)
        self._tell_loop(loan.connection.returned, data, reply)

    def _tell_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has ended, and with it all connections
            self._loop.call_soon_threadsafe(function, *arguments)

    def _another(self) -> None:
        # A search that does not end must not keep the process from it.
        thread = threading.Thread(target=self._work, name=f"nearfield-fast-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _forget(self, loan: Loan) -> None:
        loan.state = _GONE
        del self._loans[loan.number]
        self._poll.unregister(loan.number)  # closing would not: the loop has the socket open too
        os.close(loan.number)

    def _wake(self) -> None:
        os.eventfd_write(self._bell, 1)

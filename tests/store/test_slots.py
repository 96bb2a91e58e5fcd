from __future__ import annotations

import threading
import time

from nearfield.store.slots import Slots


def test_no_more_than_so_many_are_inside() -> None:
    slots = Slots(3)
    inside, most = [0], [0]
    lock = threading.Lock()

    def work() -> None:
        for _ in range(20):
            assert slots.enter()
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.0002)
            with lock:
                inside[0] -= 1
            slots.leave()

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most[0] <= 3


def test_nobody_waits_for_himself_or_for_a_lasting_stay() -> None:
    slots = Slots(1)
    assert not slots.enter(lasting=True) and not slots.enter(lasting=True)
    for _ in range(2):
        assert slots.enter() and not slots.enter()
        slots.leave()

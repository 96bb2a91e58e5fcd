from __future__ import annotations

import numpy as np

from nearfield.bench.noun_families import draw, family, gains
from nearfield.datasets.synsets import Synset


def tree(branches: int, leaves: int) -> list[Synset]:
    """A root, its branches and their leaves, the last leaf an instance; and a verb below nothing."""
    below: dict[int, tuple[int, ...]] = {0: tuple(range(1, branches + 1))}
    above: dict[int, int] = dict.fromkeys(below[0], 0)
    for branch in range(1, branches + 1):
        first = branches + 1 + (branch - 1) * leaves
        below[branch] = tuple(range(first, first + leaves))
        above.update(dict.fromkeys(below[branch], branch))
    last = branches + branches * leaves
    synsets = []
    for row in range(last + 1):
        relations: dict[str, tuple[int, ...]] = {"~": below[row]} if row in below else {}
        relations |= {"@i" if row == last else "@": (above[row],)} if row in above else {}
        synsets.append(Synset((str(row),), "", (), 5, relations))
    some = synsets[branches].relations["~"]
    synsets[branches].relations.update({"~": some[:-1], "~i": some[-1:]})
    return [*synsets, Synset(("go",), "", (), 38, {})]


def test_a_family_is_what_is_above_below_and_beside() -> None:
    synsets = tree(3, 4)
    assert family(synsets, 0) == {1, 2, 3}
    assert family(synsets, 2) == {0, 1, 3, 8, 9, 10, 11}
    assert family(synsets, 15) == {3, 12, 13, 14}  # an instance, and its sisters that are kinds
    assert all((a in family(synsets, b)) == (b in family(synsets, a)) for a in range(16) for b in range(16))


def test_questions_are_no_items_and_samples_ask_for_others() -> None:
    synsets = tree(40, 6)
    drawn = draw(synsets, questions=12)
    assert len(drawn.scored) == 12 and 0 < len(drawn.samples) <= 12
    asked = np.concatenate([drawn.scored, drawn.samples])
    assert sorted(np.concatenate([drawn.items, asked])) == list(range(len(synsets) - 1))  # the verb is not there
    sought = [[family(synsets, row) for row in rows] for rows in (drawn.scored.tolist(), drawn.samples.tolist())]
    for families, relevant in zip(sought, (drawn.relevant, drawn.known), strict=True):
        assert [set(drawn.items[own].tolist()) for own in relevant] == families  # whole: no question is in another's
    assert not set().union(*sought[0]) & set().union(*sought[1])


def test_fewer_rows_are_whole_subtrees() -> None:
    synsets = tree(5, 4)
    drawn = draw(synsets, 11, questions=1)
    asked = [*drawn.scored, *drawn.samples]
    assert sorted([*drawn.items, *asked]) == [0, 1, 2, *range(6, 14)]  # the root, two branches, and all their leaves


def test_gains_are_ndcg_with_no_more_than_ten_to_find() -> None:
    answers = np.arange(10)[None]
    judge = [gains([np.array(own)])(answers)[0] for own in ([0], [1], [50], list(range(40)))]
    np.testing.assert_allclose(judge, [1, 1 / np.log2(3), 0, 1])
    assert gains([np.array([0]), np.array([50])])(np.repeat(answers, 2, axis=0)).tolist() == [1, 0]

import pytest

from nearfield.datasets import Synset, load
from nearfield.datasets.synsets import TOPICS, read_synsets

NOUN = (
    '00000001 05 n 02 dog 0 domestic_dog 1 002 @ 00000002 n 0000 ~ 00000009 n 0000 | a tame animal; "the dog barked"  '
)
ROOT = "00000002 03 n 01 animal 0 001 ~ 00000001 n 0000 | a living thing; (of all kinds)  "
LIKE = "00000001 00 s 01 tame(a) 0 001 & 00000001 a 0000 | used to people  "


def test_a_line_comes_apart() -> None:
    dog, animal, tame = read_synsets([NOUN, ROOT, LIKE])
    assert dog == Synset(("dog", "domestic dog"), "a tame animal", ("the dog barked",), 5, {"@": (1,)})
    assert animal.definition == "a living thing; (of all kinds)" and animal.relations == {"~": (0,)}
    assert tame.words == ("tame",) and tame.relations == {"&": (2,)}  # not the noun at the same place


def test_wordnet_comes_apart() -> None:
    try:
        synsets = load("wordnet").synsets
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert len(synsets) == 117_659 and len(TOPICS) == 45
    dog = next(synset for synset in synsets if synset.words[:2] == ("dog", "domestic dog"))
    assert dog.examples == ("the dog barked all night",) and TOPICS[dog.topic] == "animals"
    assert {synsets[row].words[0] for row in dog.relations["@"]} == {"canine", "domestic animal"}
    assert {synsets[row].words[0] for row in dog.relations["%p"]} == {"flag"}
    assert all(dog_row in synsets[row].relations["@"] for dog_row in [synsets.index(dog)] for row in dog.relations["~"])

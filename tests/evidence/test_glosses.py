from pathlib import Path

import pytest

from nearfield.datasets import wordnet
from nearfield.evidence import glosses

LINES = {
    "noun": "  1 This is the licence\n00001740 03 n 01 entity 0 003 ~ 1 n 0000 ~ 2 n 0 ~ 3 n 0 | that which is  \n",
    "verb": "00001740 29 v 04 breathe 0 take_a_breath 0 respire 0 suspire 3 002 * 5 v 0 * 4 v 0 02 + 02 00 | to\n",
    "adj": '00001740 00 a 01 able 0 000 | able; "a | b"\n',
    "adv": "00001837 02 r 0b a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 k 0 001 ;u 1 n 0000 | eleven\n",
}


def test_attributes_are_read_in_the_order_of_the_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wordnet").mkdir()
    for name, text in LINES.items():
        (tmp_path / "wordnet" / f"data.{name}").write_text(text)
    monkeypatch.setenv("NEARFIELD_DATA", str(tmp_path))
    found = {name: column.tolist() for name, column in glosses.attributes().items()}
    assert found == {
        "part": [0, 1, 2, 3],
        "topic": [3, 29, 0, 2],
        "length": [13, 2, 13, 6],
        "words": [1, 4, 1, 11],
        "relations": [3, 2, 0, 1],
    }


def test_without_wordnet_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARFIELD_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(wordnet, "_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="apt install wordnet-base"):
        glosses.attributes()

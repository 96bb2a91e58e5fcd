import pytest

from nearfield.evidence.classes import noun_classes


def test_classes_of_nouns_share_nothing() -> None:
    try:
        classes = noun_classes(5, 10, 5, 8)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert len({each.name for each in classes}) == 5
    for each in classes:
        assert each.descriptions and len(each.relatives) == 10 and len(each.labelled) == 5
        assert len(each.held) == len(each.kinds) == 8
        assert not set(each.held) & set(each.relatives)

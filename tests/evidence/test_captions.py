import numpy as np
import pytest

from nearfield.evidence import captions


def test_towers_learn_partners():
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((600, 8))
    one, other = (captions.unit(hidden @ rng.standard_normal((8, d))) for d in (30, 20))
    towers = captions.two_towers(one[:500], other[:500], dim=16, steps=300)
    left, right = captions.through(towers[0], one[500:]), captions.through(towers[1], other[500:])
    assert ((left @ right.T).argmax(axis=1) == np.arange(100)).mean() > 0.3
    again = captions.two_towers(one[:500], other[:500], dim=16, steps=300)
    assert again[0][0].tobytes() == towers[0][0].tobytes()


def test_captions_speak_of_their_image():
    try:
        made = captions.load_captioned(300, 0.2, 0.05)
    except FileNotFoundError as error:
        pytest.skip(str(error).splitlines()[0])
    assert made.pixels.shape == (300, 784) and made.words.shape == (300, 384) and len(made.captions) == 300
    bags = [caption for caption, label in zip(made.captions, made.labels, strict=True) if label == 8]
    named = [any(word in caption for word in ("bag", "purse", "accessory")) for caption in bags]
    assert np.mean(named) == 1
    part = made.part(np.array([3, 1]))
    assert part.captions == [made.captions[3], made.captions[1]]

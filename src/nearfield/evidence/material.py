"""The real data that several evidence files measure on, ready to use."""

from __future__ import annotations

import itertools
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..datasets import FashionMNIST


def unit(vectors: Any) -> np.ndarray:
    """Rows as float32 of length one."""
    array = np.asarray(vectors, np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def wordnet(rows: int | None, queries: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``(base, held-out queries)`` of the MiniLM gloss vectors; ``rows`` bounds the base by a random choice."""
    from ..datasets import load

    vectors = load("wordnet").vectors
    order = np.random.default_rng(seed).permutation(len(vectors))
    held, kept = order[:queries], order[queries:]
    return unit(vectors[np.sort(kept[:rows])]), unit(vectors[held])


def minilm(max_tokens: int = 128) -> Any:
    """The sentence encoder all-MiniLM-L6-v2, from ``$NEARFIELD_MODELS/minilm``; FileNotFoundError when it is absent."""
    from ..encode import OnnxText

    folder = os.environ.get("NEARFIELD_MODELS")
    path = Path(folder or "models") / "minilm"
    if not path.is_dir():
        raise FileNotFoundError(
            f"{path}: no exported all-MiniLM-L6-v2 here; put model.onnx and tokenizer.json there and set "
            "NEARFIELD_MODELS to the folder above"
        )
    return OnnxText(path, max_tokens=max_tokens)


def averaged_words(most: int) -> Callable[[list[str]], np.ndarray]:
    """Texts -> the mean GloVe vector of each one's words, of the ``most`` frequent; zeros where none is known."""
    from ..datasets import load

    glove = load("glove")
    row = {word: number for number, word in enumerate(glove.words[:most])}

    def encode(texts: list[str]) -> np.ndarray:
        made = np.zeros((len(texts), glove.vectors.shape[1]), np.float32)
        for number, text in enumerate(texts):
            known = [row[word] for word in re.findall(r"[a-z0-9]+", text.lower()) if word in row]
            if known:
                made[number] = glove.vectors[known].mean(axis=0)
        return made

    return encode


def clusters(count: int, rows: int, queries: int, dim: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian clusters far apart, a twentieth as wide as their centres spread: ``(base, queries)``."""
    rng = np.random.default_rng(count)
    centres = rng.standard_normal((count, dim))[rng.integers(0, count, rows + queries)]
    vectors = (centres + 0.05 * rng.standard_normal(centres.shape)).astype(np.float32)
    return vectors[queries:], vectors[:queries]


def planted(dimension: int, rows: int, ambient: int = 384) -> np.ndarray:
    """Gaussian combinations of ``dimension`` orthonormal directions in ``ambient`` dimensions."""
    rng = np.random.default_rng(dimension)
    basis = np.linalg.qr(rng.standard_normal((ambient, dimension)))[0]
    return (rng.standard_normal((rows, dimension)) @ basis.T).astype(np.float32)


def categorised(rows: int, queries: int) -> dict[str, tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Real sets with categories: ``name -> (metric, base, category of each row, queries)``.

    WordNet in the order of its files (parts of speech, then neighbours in meaning); three kinds of text together;
    images by class.
    """
    from ..datasets import load

    words, papers, images = load("wordnet"), load("scifact"), load("fashion_mnist")
    base, asked = wordnet(rows, queries)
    rng = np.random.default_rng(0)
    kinds = (words.vectors, words.out_of_distribution_queries, papers.vectors)
    third, part = rows // 3, queries // 3
    chosen = [unit(kind[np.sort(rng.permutation(len(kind))[: third + part])]) for kind in kinds]
    held = [rng.permutation(third + part) for _ in chosen]
    mixed = np.concatenate([kind[np.sort(order[part:])] for kind, order in zip(chosen, held, strict=True)])
    mixed_queries = np.concatenate([kind[order[:part]] for kind, order in zip(chosen, held, strict=True)])
    return {
        "WordNet": ("cosine", base, np.arange(len(base)), asked),
        "glosses, descriptions, abstracts": ("cosine", mixed, np.repeat(np.arange(3), third), mixed_queries),
        "Fashion-MNIST": ("l2", images.train[:rows], images.train_labels[:rows], images.test[:queries]),
    }


def insertion_orders(base: np.ndarray, category: np.ndarray, metric: str) -> dict[str, np.ndarray]:
    """The rows by rising and by falling local dimension (100 neighbours), by category, and at random."""
    from ..survey import local_intrinsic_dimension

    local = np.zeros(len(base))
    found = local_intrinsic_dimension(base, k=100, metric=metric).arrays
    local[found["rows"]] = found["per_row"]
    orders = {"rising": np.argsort(local, kind="stable"), "falling": np.argsort(-local, kind="stable")}
    orders["by category"] = np.argsort(category, kind="stable")
    return orders | {"random": np.random.default_rng(0).permutation(len(base))}


def encodings(quick: bool = False) -> Any:
    """``(SciFact, name -> (documents, queries))`` by several encoders: MiniLM, its shorter forms, WordLlama, LSA."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    from ..datasets import load
    from ..encode import WordLlama
    from ..transform import PCA

    found = load("scifact")
    made: dict[str, tuple[np.ndarray, ...]] = {"MiniLM": (found.vectors, found.query_vectors)}
    for kept in (64,) if quick else (256, 192, 128, 96, 64):
        pca = PCA(kept, center=False).fit(found.vectors)
        made[f"MiniLM, {kept} principal"] = (pca.transform(found.vectors), pca.transform(found.query_vectors))
    words = WordLlama()
    made["WordLlama"] = (words.encode(found.documents, progress=False), words.encode(found.queries, progress=False))
    made["WordLlama, first 128"] = tuple(part[:, :128] for part in made["WordLlama"])
    counts = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=2).fit(found.documents)
    latent = TruncatedSVD(64 if quick else 256, random_state=0).fit(counts.transform(found.documents))
    both = (latent.transform(counts.transform(texts)) for texts in (found.documents, found.queries))
    made["LSA"] = tuple(part.astype(np.float32) for part in both)
    return found, {name: (unit(documents), unit(queries)) for name, (documents, queries) in made.items()}


def rotation_encoders(images: FashionMNIST, quick: bool = False) -> Iterator[tuple[str, np.ndarray, float]]:
    """Hidden layers trained to tell by how much an image was turned (RotNet), under many settings of the training.

    Yields the setting, the features of the images it was trained on, and the accuracy of a linear probe on test images.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seen, probed, tested = (500, 500, 500) if quick else (3_000, 4_000, 10_000)
    own, labelled, unseen = images.train[:seen] / 255, images.train[-probed:] / 255, images.test[:tested] / 255
    pictures = own.reshape(-1, 28, 28)
    turned = np.concatenate([np.rot90(pictures, turns, (1, 2)).reshape(seen, -1) for turns in range(4)])
    turns = np.repeat(np.arange(4), seen)
    grid = itertools.product((3e-4, 1e-3, 3e-3, 1e-2), (1e-5,) if quick else (1e-5, 1e-2, 1e-1, 1.0), (2, 8))
    for rate, decay, epochs in grid:
        net = MLPClassifier(
            (128,), learning_rate_init=rate, alpha=decay, max_iter=epochs, batch_size=128, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a few epochs are the setting, not a failure to converge
            net.fit(turned, turns)
            features = [np.maximum(x @ net.coefs_[0] + net.intercepts_[0], 0) for x in (own, labelled, unseen)]
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=100, C=0.1))
            probe.fit(features[1], images.train_labels[-probed:])
        accuracy = float(probe.score(features[2], images.test_labels[:tested]))
        yield f"rate {rate:g}, decay {decay:g}, {epochs} epochs", features[0].astype(np.float32), accuracy


def growing_encoders(images: FashionMNIST, quick: bool = False) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Hidden layers trained, each anew, on ever more images of ever more classes: 4, 6, 8 and 10 of ten.

    Yields the number of classes, and the features of 10,000 training and 10,000 test images of all classes; the first
    of the training images are what the encoders were trained on.
    """
    from sklearn.neural_network import MLPClassifier

    seen, tested = (600, 600) if quick else (10_000, 10_000)
    own, unseen = images.train[:seen] / np.float32(255), images.test[:tested] / np.float32(255)
    for seed, (classes, share) in enumerate(((4, 0.25), (6, 0.5), (8, 0.75), (10, 1.0))):
        labels = images.train_labels[: round(share * seen)]
        member = labels < classes
        net = MLPClassifier((64,), max_iter=3 if quick else 30, batch_size=128, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the passes are the setting
            net.fit(own[: len(labels)][member], labels[member])
        features = (np.maximum(x @ net.coefs_[0] + net.intercepts_[0], 0) for x in (own, unseen))
        yield classes, *(rows.astype(np.float32) for rows in features)

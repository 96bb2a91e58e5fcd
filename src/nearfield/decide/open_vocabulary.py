"""Naming items without a list of classes: candidate names come from texts that are near, in a large collection."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_int, check_real
from ..common.lengths import unit_rows
from .classifier import FLOATS
from .texts import encoded, nearest


def names_in(text: str, vocabulary: Collection[str], *, max_words: int = 3) -> list[str]:
    """The names of ``vocabulary`` (a set or dictionary) that occur in ``text``, longer ones first, each once.

    Names are sought as written and in lower case, single words also without a final "s"; single stop words and words of
    less than three letters are left out.

    Examples
    --------
    >>> names_in("Two sailing boats near the old harbour", {"boat", "sailing boat", "harbour", "the"})
    ['boat', 'harbour']
    """
    words = re.findall(r"\w[\w'-]*", text)
    found: dict[str, None] = {}
    for size in range(max_words, 0, -1):
        for start in range(len(words) - size + 1):
            written = " ".join(words[start : start + size])
            forms = [written, written.lower()]
            if size == 1:
                if len(written) < 3 or forms[1] in ENGLISH_STOP_WORDS:
                    continue
                forms += [forms[1].removesuffix("s")]
            found.update(dict.fromkeys([form for form in forms if form in vocabulary][:1]))
    return list(found)


class OpenVocabulary(BaseEstimator):
    """Give items names that occur in a collection of texts, when there is no list of classes.

    The texts nearest to an item are retrieved, the names in them are its candidates, and each is scored by its cosine
    to the item and to the mean of the retrieved texts. A few dozen names are compared where a vocabulary has a hundred
    thousand. Choose it when the classes are not known beforehand and names are too many to compare them all; with a
    list of classes :class:`ZeroShotClassifier` is better. On WordNet the names it chose were 2 to 3 points worse than
    the best of all 119,034, and 3 better than the word of the nearest text by cosine, 5 worse by shared ancestors.

    Parameters
    ----------
    n_texts : how many texts are retrieved: 5 to 20. More find the right name more often, among more wrong ones.
    weight : of the item's own cosine to the name, in [0, 1]; the rest goes to that of the retrieved texts.
    temperature : of the softmax over the candidates, above 0. Small ones let each term decide alone; 0.01 to 0.1.
    encoder : anything with ``encode(texts)``; then strings can be given for vectors, and names are embedded as they
        come up.

    Attributes
    ----------
    texts_names_ : for each text, the names in it.
    n_features_in_ : dimensions.

    Notes
    -----
    ``weight * softmax(cos(item, name) / t) + (1 - weight) * softmax(cos(centroid of the texts, name) / t)``. Source:
    Conti et al., Vocabulary-free Image Classification, 2023 (CaSED), with its weight of 0.7 and 10 texts; there
    captions are retrieved for images, and candidates are parsed from them (:func:`names_in` does so by a vocabulary).

    Examples
    --------
    >>> from nearfield.encode import WordLlama
    >>> texts = ["a ship leaves the harbour", "sailors repair the ship", "a dog barks at the cat", "the cat sleeps"]
    >>> nouns = {"ship", "harbour", "dog", "cat", "sailor"}
    >>> naming = OpenVocabulary(n_texts=2, encoder=WordLlama()).fit(texts, [names_in(text, nouns) for text in texts])
    >>> naming.predict(["a vessel at sea"]).tolist()
    ['ship']
    >>> [name for name, _ in naming.candidates(["a vessel at sea"])[0]]
    ['ship', 'sailor', 'harbour']
    """

    texts_names_: list[tuple[Any, ...]]
    n_features_in_: int

    def __init__(self, *, n_texts: int = 10, weight: float = 0.7, temperature: float = 0.05, encoder: Any = None):
        self.n_texts = n_texts
        self.weight = weight
        self.temperature = temperature
        self.encoder = encoder

    def fit(self, X: Any, y: Any, *, names: Mapping[Any, np.ndarray] | None = None, index: Any = None) -> Self:
        """Keep the collection.

        Parameters
        ----------
        X : texts, vectors (m, d) or strings.
        y : (m,) the name of each text, or a sequence of names for each, which may be empty.
        names : the vector (d,) of each name. None embeds them with ``encoder``; without one a name lies at the mean of
            the texts it is in.
        index : anything with ``search(queries, k)`` whose answer has ``rows`` (q, k), such as a cosine index of
            :mod:`nearfield.index` over ``X``; None scans all texts.
        """
        check_int(self.n_texts, "n_texts", 1)
        check_real(self.weight, "weight", 0.0, 1.0)
        check_real(self.temperature, "temperature", 0.0, 1e6, open_low=True)
        X = validate_data(self, encoded(X, self.encoder, "X"), dtype=FLOATS)
        if y is None:
            raise ValueError(
                "y: fit requires y to be passed, but the target y is None; it gives the names in each text"
            )
        listed = np.asarray(y).ravel().tolist() if isinstance(y, np.ndarray) and y.dtype != object else list(y)
        own = [tuple(each) if isinstance(each, Sequence) and not isinstance(each, str) else (each,) for each in listed]
        if len(own) != len(X):
            raise ValueError(f"y: expected names for each of {len(X)} texts, got {len(own)}")
        if not any(own):
            raise ValueError("y: expected at least one name in the texts, got an empty vocabulary")
        self.texts_names_, self._texts, self._index = own, X, index
        self._known = self._vectors_of(names)
        return self

    def _vectors_of(self, names: Mapping[Any, np.ndarray] | None) -> dict[Any, np.ndarray]:
        if names is not None:
            missing = next((name for own in self.texts_names_ for name in own if name not in names), None)
            if missing is not None:
                raise ValueError(f"names: expected a vector for each name in the texts, got none for {missing!r}")
            vectors = unit_rows(check_array(np.array(list(names.values())), dtype=FLOATS))
            if vectors.shape[1] != self.n_features_in_:
                raise ValueError(f"names: expected {self.n_features_in_} dimensions, got {vectors.shape[1]}")
            return dict(zip(names, vectors, strict=True))
        if self.encoder is not None:
            return {}
        known: dict[Any, np.ndarray] = {}
        for row, own in zip(unit_rows(self._texts), self.texts_names_, strict=True):
            for name in own:
                known[name] = known[name] + row if name in known else row
        return dict(zip(known, unit_rows(np.array(list(known.values()))), strict=True))

    def candidates(self, X: Any) -> list[list[tuple[Any, float]]]:
        """For each item its candidate names with their shares (they sum to 1), the best first.

        An item whose retrieved texts hold no name has an empty list.
        """
        check_is_fitted(self, "texts_names_")
        items = unit_rows(validate_data(self, encoded(X, self.encoder, "X"), dtype=FLOATS, reset=False))
        with one_blas_thread():
            rows = self._retrieved(items)
            found = [list(dict.fromkeys(name for row in own for name in self.texts_names_[row])) for own in rows]
            new = [name for name in dict.fromkeys(name for own in found for name in own) if name not in self._known]
            if new:
                self._known.update(
                    zip(new, unit_rows(encoded([str(name) for name in new], self.encoder, "names")), strict=True)
                )
            return [self._ranked(item, own, names) for item, own, names in zip(items, rows, found, strict=True)]

    def predict(self, X: Any) -> np.ndarray:
        """The best name of each item (n,); None where the retrieved texts hold none."""
        best = [ranked[0][0] if ranked else None for ranked in self.candidates(X)]
        return np.array(best, object if None in best else None)

    def _retrieved(self, items: np.ndarray) -> list[np.ndarray]:
        k = min(self.n_texts, len(self._texts))
        if self._index is None:
            return list(nearest(items, self._texts, k)[1])
        rows = np.asarray(self._index.search(items.astype(np.float32), k).rows)
        return [own[own >= 0] for own in rows]

    def _ranked(self, item: np.ndarray, rows: np.ndarray, names: list[Any]) -> list[tuple[Any, float]]:
        if not names:
            return []
        vectors = np.array([self._known[name] for name in names])
        centre = unit_rows(unit_rows(self._texts[rows]).sum(axis=0)[None, :])[0]
        terms = [softmax(vectors @ at / self.temperature) for at in (item, centre)]
        shares = self.weight * terms[0] + (1 - self.weight) * terms[1]
        order = np.argsort(-shares, kind="stable")
        return [(names[number], float(shares[number])) for number in order]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

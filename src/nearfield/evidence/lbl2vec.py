"""Label vectors from unlabelled documents: against names alone, by encoder, and with or without removing outliers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score

from ..datasets import load
from ..datasets.synsets import TOPICS
from ..decide import LabelVectors, ZeroShotClassifier
from ..encode import WordLlama
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "lbl2vec",
    "Evaluating Unsupervised Text Classification: Zero-shot and Similarity-based Approaches",
    "nearfield.decide.LabelVectors, with its defaults, on definitions of WordNet labelled by the topics of its files "
    "and on the requests of CLINC150 labelled by 150 intents; nothing but the names of the labels is given.",
)
NAMES = Claim("With MiniLM, label vectors beat the names' own vectors by 3 points of macro-F1 (the two sets' mean).")
BOTH = Claim("They do so on both sets.")
UNSEEN = Claim("They do so for documents that the label vectors were not made of.")
ENCODERS = Claim("As the encoder below, MiniLM is at least as good as LSA, and LSA as TF-IDF.")
OUTLIERS = Claim("Leaving the local outlier factor out, which the paper's method has, does not help.")
CLAIMS = (NAMES, BOTH, UNSEEN, ENCODERS, OUTLIERS)

SHARE = 0.1  # of a label's documents that count as outliers where they are removed


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    minilm, static = material.minilm(), WordLlama()
    found: dict[str, dict[str, float]] = {}
    for name, (texts, labels, y) in _sets(setting).items():
        counts = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit([*texts, *labels])
        latent = TruncatedSVD(min(200, len(texts) // 3), random_state=setting.random_state).fit(counts.transform(texts))
        encoders: dict[str, Callable[[list[str]], np.ndarray]] = {
            "MiniLM": lambda items: minilm.encode(items, progress=False),
            "WordLlama": lambda items: static.encode(items, progress=False),
            "LSA": lambda items: latent.transform(counts.transform(items)),  # noqa: B023
            "TF-IDF": lambda items: counts.transform(items).toarray().astype(np.float32),  # noqa: B023
        }
        found[name] = {}
        for encoder, encode in encoders.items():
            for how, value in _compare(encode(labels), encode(texts), y, setting).items():
                found[name][f"{encoder}, {how}"] = value

    def line(keys: list[str]) -> str:
        return "; ".join(f"{name}: " + ", ".join(f"{found[name][key]:.3f}" for key in keys) for name in found)

    gains = {name: values["MiniLM, documents"] - values["MiniLM, names"] for name, values in found.items()}
    text = "Macro-F1 of the names and of label vectors from 20 documents, "
    text += f"{line(['MiniLM, names', 'MiniLM, documents'])}; "
    text += f"with WordLlama, {line(['WordLlama, names', 'WordLlama, documents'])}."
    mean = float(np.mean(list(gains.values())))
    why = f"the mean gain is {100 * mean:.1f} points"
    yield Finding(NAMES, text, Verdict.of(mean >= 0.03, in_part=max(gains.values()) >= 0.03, why=why), found)
    text = "Gains in points: " + ", ".join(f"{name} {100 * gain:.1f}" for name, gain in gains.items()) + "."
    short = " and ".join(name for name, gain in gains.items() if gain < 0.03)
    verdict = Verdict.of(not short, in_part=len(gains) > len(short.split(" and ")), why=f"less than 3 on {short}")
    yield Finding(BOTH, text, verdict, gains)

    halves = {name: values["MiniLM, unseen"] - values["MiniLM, names, unseen"] for name, values in found.items()}
    text = f"On the half whose documents were not used, {line(['MiniLM, names, unseen', 'MiniLM, unseen'])}."
    least, most = min(halves.values()), max(halves.values())
    why = f"the gains are {100 * least:.1f} and {100 * most:.1f} points"
    yield Finding(UNSEEN, text, Verdict.of(least >= 0.03, in_part=most >= 0.03, why=why), halves)

    names = ("MiniLM", "WordLlama", "LSA", "TF-IDF")
    text = f"Macro-F1 with {', '.join(names)}: {line([f'{name}, documents' for name in names])}."
    rising = [
        values["MiniLM, documents"] >= values["LSA, documents"] >= values["TF-IDF, documents"]
        for values in found.values()
    ]
    best = all(values["MiniLM, documents"] >= values["LSA, documents"] for values in found.values())
    why = "LSA, of texts of a dozen words, falls behind TF-IDF"
    yield Finding(ENCODERS, text, Verdict.of(all(rising), in_part=best, why=why))

    kept = [values[f"{name}, documents"] for values in found.values() for name in names[:2]]
    cleaned = [values[f"{name}, without outliers"] for values in found.values() for name in names[:2]]
    text = f"With a tenth removed, MiniLM and WordLlama: {line([f'{name}, without outliers' for name in names[:2]])}; "
    text += f"with all kept: {line([f'{name}, documents' for name in names[:2]])}."
    change = float(np.mean(np.subtract(kept, cleaned)))
    why = f"keeping all gains {100 * change:.1f} points on average"
    yield Finding(OUTLIERS, text, Verdict.of(change <= 0, in_part=min(np.subtract(kept, cleaned)) <= 0, why=why))


def _sets(setting: Setting) -> dict[str, tuple[list[str], list[str], np.ndarray]]:
    """Texts, names of the labels, number of the label of each text."""
    synsets, requests = load("wordnet").synsets, load("clinc150").test
    rng = np.random.default_rng(setting.random_state)
    topics = np.array([synset.topic for synset in synsets])
    shown = range(4, setting.pick(44, 10))
    rows = [rng.permutation(np.flatnonzero(topics == topic))[: setting.pick(200, 40)] for topic in shown]
    sets = {
        f"WordNet ({len(rows)} topics)": (
            [synsets[row].definition for own in rows for row in own],
            [TOPICS[topic] for topic in shown],
            np.repeat(np.arange(len(rows)), [len(own) for own in rows]),
        )
    }
    intents = sorted(set(requests.intents))[: setting.pick(None, 10)]
    pairs = [pair for pair in zip(requests.texts, requests.intents, strict=True) if pair[1] in intents]
    texts, own = ([pair[part] for pair in pairs] for part in (0, 1))
    names = [intent.replace("_", " ") for intent in intents]
    return sets | {f"CLINC150 ({len(intents)} intents)": (texts, names, np.searchsorted(intents, own))}


def _compare(labels: np.ndarray, texts: np.ndarray, y: np.ndarray, setting: Setting) -> dict[str, float]:
    numbers = np.arange(len(labels))
    half = np.random.default_rng(setting.random_state).permutation(len(texts)) < len(texts) // 2

    def score(classifier: ZeroShotClassifier | LabelVectors, among: np.ndarray) -> float:
        return float(f1_score(y[among], classifier.predict(texts[among]), average="macro"))

    every = np.ones(len(texts), bool)
    names = ZeroShotClassifier().fit(labels, numbers)
    return {
        "names": score(names, every),
        "documents": score(LabelVectors().fit(labels, numbers, documents=texts), every),
        "without outliers": score(LabelVectors(outliers=SHARE).fit(labels, numbers, documents=texts), every),
        "names, unseen": score(names, ~half),
        "unseen": score(LabelVectors().fit(labels, numbers, documents=texts[half]), ~half),
    }

"""The evidence files and how one is run: each has ``PAPER``, ``CLAIMS`` and ``measure(setting)``, yielding findings."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from ..common.errors import MissingExtraError
from .claims import KINDS, NOT_RUN, Finding, Paper, Setting, Verdict

NAMES = (
    "anncur",
    "aspect_embeddings",
    "bebr",
    "cased",
    "close_modality_gap",
    "convergent_learning",
    "cosine_adapter",
    "dafosnet",
    "decor",
    "description_clf",
    "description_semantics",
    "diffusion_subspace",
    "eigenshield",
    "embedding_compression_bench",
    "exemplar_vqa",
    "feature_bias",
    "feature_complexity_v",
    "filtered_ann_bench",
    "genecis",
    "grvq",
    "hard_debias",
    "healthcare_alignment",
    "hnsw",
    "hnsw_recall_lid",
    "hqi",
    "ifm",
    "intrinsic_dim_landscape",
    "intrinsic_properties",
    "laso",
    "latent_label_shift",
    "lbl2vec",
    "leanvec",
    "loki",
    "lp_sensitivity",
    "lr2vq",
    "m3el",
    "moment_probing",
    "mrl",
    "muvera",
    "naive_bayes_probe",
    "neural_lsh",
    "observatory",
    "oca",
    "pca_rag",
    "plato_3d_text",
    "rankme",
    "relative_representations",
    "restore",
    "safree",
    "simvq",
    "squash",
    "stationary_simplex",
    "tcm_opis",
    "tmv_zsl",
    "zsarcap",
)


@dataclass(frozen=True)
class Report:
    """What the run of one evidence file found.

    Examples
    --------
    >>> Report(Paper("k", "t", "h"), (), 1.0, "2026-01-01", False).summary
    'nothing measured'
    """

    paper: Paper
    findings: tuple[Finding, ...]
    seconds: float
    date: str
    quick: bool

    @property
    def summary(self) -> str:
        """How many claims came out how: ``"4 holds, 1 holds in part"``."""
        kinds = [finding.verdict.kind for finding in self.findings]
        return ", ".join(f"{kinds.count(kind)} {kind}" for kind in KINDS if kind in kinds) or "nothing measured"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "paper": asdict(self.paper),
            "date": self.date,
            "seconds": round(self.seconds, 1),
            "quick": self.quick,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` gave."""
        findings = tuple(Finding.from_dict(finding) for finding in values["findings"])
        return cls(Paper(**values["paper"]), findings, values["seconds"], values["date"], values["quick"])


def check_names(names: list[str] | None) -> list[str]:
    """The names, or all of them; ValueError for one that does not exist."""
    for name in names or ():
        if name not in NAMES:
            raise ValueError(f"name: expected one of {', '.join(NAMES)}, got {name!r}")
    return list(names or NAMES)


def run_evidence(name: str, setting: Setting) -> Report:
    """Measure the claims of one paper again.

    Claims that data, models or an optional package are missing for come out as ``"not run"`` and say what is missing.
    """
    check_names([name])
    module = importlib.import_module(f".{name}", __package__)
    start = time.perf_counter()
    findings: list[Finding] = []
    missing = "the measurement ended before this claim"
    try:
        for finding in module.measure(setting):
            findings.append(finding)  # one by one: what was found before something is missing is kept
    except (FileNotFoundError, MissingExtraError) as error:
        missing = str(error).splitlines()[0]
    found = {finding.claim for finding in findings}
    findings += [Finding(c, "", Verdict(NOT_RUN, missing)) for c in module.CLAIMS if c not in found]
    findings.sort(key=lambda finding: list(module.CLAIMS).index(finding.claim))
    date = time.strftime("%Y-%m-%d")
    return Report(module.PAPER, tuple(findings), time.perf_counter() - start, date, setting.quick)

"""The papers' claims, measured again on real data through the public API; one file a paper, no method code in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .claims import Claim as Claim
    from .claims import Finding as Finding
    from .claims import Paper as Paper
    from .claims import Setting as Setting
    from .claims import Verdict as Verdict
    from .command import add_arguments as add_arguments
    from .command import run as run
    from .registry import Report as Report
    from .registry import run_evidence as run_evidence

__all__ = ["Claim", "Finding", "Paper", "Report", "Setting", "Verdict", "add_arguments", "run", "run_evidence"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Claim": ".claims",
        "Finding": ".claims",
        "Paper": ".claims",
        "Report": ".registry",
        "Setting": ".claims",
        "Verdict": ".claims",
        "add_arguments": ".command",
        "run": ".command",
        "run_evidence": ".registry",
    },
)

"""What an evidence file is made of: a paper, its claims as we word them, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

HOLDS = "holds"
IN_PART = "holds in part"
FAILS = "does not hold here"
NOT_RUN = "not run"
KINDS = (HOLDS, IN_PART, FAILS, NOT_RUN)


@dataclass(frozen=True)
class Paper:
    """A paper by its key in the list of methods; ``here`` says what of ours stands for its method.

    Examples
    --------
    >>> Paper("pca_rag", "PCA-RAG", "nearfield.transform.PCA").key
    'pca_rag'
    """

    key: str
    title: str
    here: str


@dataclass(frozen=True)
class Claim:
    """One checkable sentence, worded by us after the paper, with the figure that decides.

    Examples
    --------
    >>> Claim("A scan of 128 dimensions takes at most half as long as one of 384.").text[:6]
    'A scan'
    """

    text: str


@dataclass(frozen=True)
class Verdict:
    """``"holds"``, or one of three kinds that must give a reason.

    ``"holds in part"`` says where it does not, ``"does not hold here"`` says why, ``"not run"`` says what is missing.

    Examples
    --------
    >>> Verdict.of(True).kind
    'holds'
    >>> str(Verdict.of(False, why="the gain is 3 points, not 10"))
    'does not hold here: the gain is 3 points, not 10'
    """

    kind: str
    reason: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(map(repr, KINDS))}, got {self.kind!r}")
        if self.kind != HOLDS and not self.reason:
            raise ValueError(f"reason: expected a reason for {self.kind!r}, got none")

    @classmethod
    def of(cls, holds: bool, *, in_part: bool = False, why: str = "") -> Verdict:
        """``holds``, else in part when ``in_part``, else not; ``why`` is the reason for the latter two."""
        if holds:
            return cls(HOLDS)
        return cls(IN_PART if in_part else FAILS, why)

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}" if self.reason else self.kind


@dataclass(frozen=True)
class Finding:
    """A claim, what was measured in one sentence, the verdict, and the numbers behind it.

    Examples
    --------
    >>> finding = Finding(Claim("Water is wet."), "1 of 1 glass was wet.", Verdict.of(True))
    >>> Finding.from_dict(finding.to_dict()) == finding
    True
    """

    claim: Claim
    measured: str
    verdict: Verdict
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` gave."""
        return cls(
            Claim(**values["claim"]), values["measured"], Verdict(**values["verdict"]), dict(values.get("numbers", {}))
        )


@dataclass(frozen=True)
class Setting:
    """How much an evidence file measures: ``quick`` shrinks it to a smoke test whose verdicts mean nothing.

    Examples
    --------
    >>> Setting(quick=True).pick(100_000, 2_000)
    2000
    """

    quick: bool = False
    random_state: int = 0

    def pick(self, full: Any, quick: Any) -> Any:
        """``quick`` when quick, else ``full``."""
        return quick if self.quick else full

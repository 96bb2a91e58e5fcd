"""A recipe: everything that has to be decided to build an index and to search it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..common.checks import check_choice, check_int, check_real
from ..index import Flat, Graph
from ..quantize import Codec, Float16, Float32, ScalarQuantizer

_BITS = (32, 16, 8, 4)
_RESCORE = (None, 8, 16, 32, "vectors")


@dataclass(frozen=True)
class Recipe:
    """How to build an index and how to search it: what :func:`tune` chooses, and a store keeps.

    Write one by hand to fix a choice, or to give :func:`tune` candidates of your own.

    Parameters
    ----------
    kind : "flat" scans all rows, "graph" walks (see :class:`~nearfield.index.Flat`, :class:`~nearfield.index.Graph`).
    pca : how many principal components the codes are made of; None keeps all dimensions. Give it ``rescore`` too.
    bits : of a code per dimension: 32 (float), 16 (half float), 8 or 4 (scalar codes).
    rescore : how the best candidates are scored again: None, by codes of 8, 16 or 32 bits over all dimensions, or by
        the caller's "vectors", which cost no resident memory.
    degree, build_beam, alpha, layout : of a graph; see :class:`~nearfield.index.Graph`. Give the "fast" layout an
        alpha of 1.1.
    beam : width of the walk; None leaves the index its default.
    candidates : how many rows are scored again; None leaves the index its default.

    Examples
    --------
    >>> recipe = Recipe("graph", bits=4, rescore=8, beam=48, candidates=48)
    >>> print(recipe)
    graph of 4-bit codes, rescored by 8-bit codes, beam 48
    >>> Recipe.from_dict(recipe.to_dict()) == recipe
    True
    >>> recipe.search_settings()
    {'beam': 48, 'candidates': 48}
    """

    kind: str = "graph"
    pca: int | None = None
    bits: int = 8
    rescore: int | str | None = None
    degree: int = 32
    build_beam: int = 100
    beam: int | None = None
    candidates: int | None = None
    alpha: float = 1.2
    layout: str = "lean"

    def __post_init__(self) -> None:
        check_choice(self.kind, "kind", ("flat", "graph"))
        if isinstance(self.bits, bool) or self.bits not in _BITS:
            raise ValueError(f"bits: expected one of {_BITS}, got {self.bits!r}")
        if isinstance(self.rescore, bool) or self.rescore not in _RESCORE:
            raise ValueError(f"rescore: expected one of {_RESCORE}, got {self.rescore!r}")
        check_int(self.degree, "degree", 2)
        check_int(self.build_beam, "build_beam", 2)
        check_real(self.alpha, "alpha", 1.0, 10.0)
        check_choice(self.layout, "layout", ("lean", "fast"))
        for name in ("pca", "beam", "candidates"):
            if getattr(self, name) is not None:
                check_int(getattr(self, name), name, 1)

    @property
    def links(self) -> tuple[Any, ...]:
        """All that the links, and what a graph keeps beside them, depend on: recipes alike in this may share them."""
        return (self.kind, self.pca, self.bits, self.degree, self.build_beam, self.alpha, self.layout)

    @property
    def exact(self) -> bool:
        """Whether the answer is that of comparing every vector as it is."""
        return self.kind == "flat" and self.bits == 32 and self.pca is None

    def make(self, metric: Any = "cosine", random_state: int = 0) -> Flat | Graph:
        """The unbuilt index; its ``build`` fits the transform and the codecs.

        Components are found around the mean under "l2" alone: under cosine and inner product subtracting a mean
        would change the ranking.
        """
        parts: dict[str, Any] = {"codec": self.codec(), "rescore": self.rescorer()}
        if self.pca is not None:
            from ..transform import PCA  # scikit-learn takes a second to load, and opening a store reads recipes

            name = metric if isinstance(metric, str) else metric.name
            parts["transform"] = PCA(self.pca, center=name == "l2", random_state=random_state)
        if self.kind == "flat":
            return Flat(metric, **parts)
        parts |= {"degree": self.degree, "build_beam": self.build_beam, "alpha": self.alpha, "layout": self.layout}
        return Graph(metric, **parts, random_state=random_state)

    def codec(self) -> Codec:
        """The codec, unfitted, that the rows are kept in."""
        return _codec(self.bits)

    def rescorer(self) -> Codec | str | None:
        """What ``rescore`` means to an index: a codec, unfitted, or "vectors", or None."""
        return _codec(self.rescore) if isinstance(self.rescore, int) else self.rescore

    def search_settings(self) -> dict[str, Any]:
        """What to give to the index's ``search``, beside the queries and ``k``."""
        settings: dict[str, Any] = {}
        if self.kind == "graph" and self.beam is not None:
            settings["beam"] = self.beam
        if self.rescore is not None and self.candidates is not None:
            settings["candidates"] = self.candidates
        return settings

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Recipe:
        """The recipe that :meth:`to_dict` described; fields that an older version did not know take their defaults."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(description) - known)
        if unknown:
            raise ValueError(f"recipe: expected the fields {sorted(known)}, got also {unknown}")
        return cls(**description)

    def __str__(self) -> str:
        codes = {32: "floats", 16: "half floats", 8: "8-bit codes", 4: "4-bit codes"}
        kind = "flat scan" if self.kind == "flat" else "fast graph" if self.layout == "fast" else "graph"
        text = f"{kind} of {codes[self.bits]}"
        if self.pca is not None:
            text += f" of {self.pca} components"
        if self.rescore is not None:
            text += f", rescored by {'the vectors' if self.rescore == 'vectors' else codes[int(self.rescore)]}"
        if self.kind == "graph":
            text += f", degree {self.degree}" * (self.degree != 32) + f", beam {self.beam}" * (self.beam is not None)
        elif self.rescore is not None and self.candidates is not None:
            text += f", {self.candidates} candidates"
        return text


def _codec(bits: int) -> Codec:
    if bits == 32:
        return Float32()
    return Float16() if bits == 16 else ScalarQuantizer(bits)

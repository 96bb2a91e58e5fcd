"""A recipe: everything that has to be decided to build an index and to search it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_real
from ..index import IVF, Flat, Graph
from ..index.graph import DEFAULT_BEAM
from ..quantize import Codec, Float16, Float32, RotatedQuantizer, ScalarQuantizer, TwoLevelQuantizer
from ..transform.chain import is_fitted, is_linear, linear_map
from ..transform.linear import LinearMap

_BITS = (32, 16, 8, 4)
_ROTATED_BITS = (8, 4, 2, 1)
_RESCORE = (None, 8, 16, 32, "residual", "vectors")
# With ``slack=True``, slack is the beam over this: beam 1.5 b with slack b / 800 finds what beam b does (bench/LOG.md).
_BEAM_PER_SLACK = 1200
# How many rows lists hand on to be scored again, for each neighbour asked for: 1-bit codes find ten results at recall
# 0.99 among 80 candidates, 2 bits among 25, 4 among 12 (see RotatedQuantizer), and twice that costs little.
_CANDIDATES_PER_K = {1: 16, 2: 6}


@dataclass(frozen=True)
class Recipe:
    """How to build an index and how to search it: what :func:`tune` chooses, and a store keeps.

    Write one by hand to fix a choice, or to give :func:`tune` candidates of your own.

    Parameters
    ----------
    kind : "flat" scans all rows, "graph" walks, "ivf" reads the nearest lists (see
        :class:`~nearfield.index.Flat`, :class:`~nearfield.index.Graph`, :class:`~nearfield.index.IVF`).
    pca : how many principal components the codes are made of; None keeps all dimensions. Give it ``rescore`` too.
    bits : of a code per dimension: 32 (float), 16 (half float), 8 or 4 (scalar codes); 8, 4, 2 or 1 if ``rotated``.
    rescore : how the best candidates are scored again: None, by codes of 8, 16 or 32 bits over all dimensions, by
        the "residual", four bits more beside codes of four, or by the caller's "vectors", which cost no memory.
    degree, build_beam, alpha, layout, link_bits, link_dims : of a graph; see :class:`~nearfield.index.Graph`. Give
        the "fast" layout an alpha of 1.1.
    beam : width of the walk; None leaves the index its default.
    candidates : how many rows are scored again; None leaves the index its default.
    slack : of a walk, see :meth:`Graph.search <nearfield.index.Graph.search>`: a number, or True, which ties it to the
        beam (beam / 1200: a beam half as wide again as without, which easy queries leave early). None or False: none.
    slack_from : the answer from whose distance slack is measured; searches for fewer ask for as many and drop the
        rest. :func:`tune` puts its ``k`` here: without it, a search for one neighbour ends far too early.
    lists, probes : of lists, how many there are and how many are read; None leaves the index its defaults.
    leanvec : how many directions of :class:`~nearfield.transform.LeanVec` the codes are made of, instead of ``pca``.
    rotated : codes of :class:`~nearfield.quantize.RotatedQuantizer` instead of scalar ones.
    queries : whether the build is to be given sample queries, which link rows and shape ``leanvec``: those of
        :attr:`Plan.sample_queries`, or your own.
    transform : a fitted linear map of your own that the codes are made after, instead of ``pca`` and ``leanvec``: a
        :class:`~nearfield.transform.LinearMap`, a fitted estimator of ``nearfield.transform`` or a Pipeline of them.
        Give it ``rescore`` too: by "vectors" the answers are those of the stored vectors, whatever the map does to
        distances. To search in the mapped space instead, map what is added and what is asked.

    Examples
    --------
    >>> recipe = Recipe("graph", bits=4, rescore=8, beam=48, candidates=48)
    >>> print(recipe)
    graph of 4-bit codes, rescored by 8-bit codes, beam 48
    >>> Recipe.from_dict(recipe.to_dict()) == recipe
    True
    >>> recipe.search_settings()
    {'beam': 48, 'candidates': 48}
    >>> Recipe("graph", beam=60, slack=True, slack_from=10).search_settings()
    {'beam': 60, 'slack': 0.05, 'slack_from': 10}
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
    slack: bool | float | None = None
    slack_from: int | None = None
    lists: int | None = None
    probes: int | None = None
    leanvec: int | None = None
    rotated: bool = False
    queries: bool = False
    link_bits: int = 2
    link_dims: int | None = None
    transform: Any = None

    def __post_init__(self) -> None:
        check_choice(self.kind, "kind", ("flat", "graph", "ivf"))
        for name in ("rotated", "queries"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name}: expected True or False, got {getattr(self, name)!r}")
        allowed = _ROTATED_BITS if self.rotated else _BITS
        if isinstance(self.bits, bool) or self.bits not in allowed:
            more = "" if self.rotated else " (2 and 1 need rotated=True)"
            raise ValueError(f"bits: expected one of {allowed}{more}, got {self.bits!r}")
        if isinstance(self.rescore, bool) or self.rescore not in _RESCORE:
            raise ValueError(f"rescore: expected one of {_RESCORE}, got {self.rescore!r}")
        if self.rescore == "residual" and (self.bits != 4 or self.rotated or self.kind == "ivf"):
            raise ValueError("rescore: 'residual' needs scalar codes of 4 bits in a scan or a graph")
        check_int(self.degree, "degree", 2)
        check_int(self.build_beam, "build_beam", 2)
        check_real(self.alpha, "alpha", 1.0, 10.0)
        check_choice(self.layout, "layout", ("lean", "fast"))
        if not (self.slack is None or isinstance(self.slack, bool)):
            check_real(self.slack, "slack", 0.0, 1e9)
        check_int(self.link_bits, "link_bits", 1, 4)
        for name in ("pca", "beam", "candidates", "slack_from", "lists", "probes", "leanvec", "link_dims"):
            if getattr(self, name) is not None:
                check_int(getattr(self, name), name, 1)
        if self.pca is not None and self.leanvec is not None:
            raise ValueError(f"leanvec: expected None beside pca={self.pca}, got {self.leanvec}")
        if self.transform is not None:
            object.__setattr__(self, "transform", self._check_transform())

    def _check_transform(self) -> LinearMap:
        for name in ("pca", "leanvec"):
            if getattr(self, name) is not None:
                raise ValueError(f"transform: expected None beside {name}={getattr(self, name)}")
        if isinstance(self.transform, Mapping):
            return LinearMap.from_arrays({name: _array(value) for name, value in self.transform.items()})
        if not is_linear(self.transform):
            raise TypeError(
                f"transform: expected a LinearMap, an estimator with export() or a Pipeline, got {self.transform!r}"
            )
        if not is_fitted(self.transform):
            raise ValueError(f"transform: expected a fitted one, got {self.transform!r}")
        return linear_map(self.transform)

    @property
    def links(self) -> tuple[Any, ...]:
        """All that the links, and what a graph keeps beside them, depend on: recipes alike in this may share them."""
        graph = (self.degree, self.build_beam, self.alpha, self.layout, self.link_bits, self.link_dims)
        return (self.kind, *self.codes, *graph, self.lists)

    @property
    def codes(self) -> tuple[Any, ...]:
        """All that the codes depend on which a search goes by: recipes alike in this and ``rescore`` find alike."""
        return (
            self.pca,
            self.leanvec,
            self.transform,
            self.bits,
            self.rotated,
            self.rescore == "residual",
            self.queries,
        )

    @property
    def exact(self) -> bool:
        """Whether the answer is that of comparing every vector as it is."""
        return self.kind == "flat" and self.bits == 32 and self.pca is self.leanvec is self.transform is None

    def make(self, metric: Any = "cosine", random_state: int = 0) -> Flat | Graph | IVF:
        """The unbuilt index; its ``build`` fits the transform and the codecs.

        Components are found around the mean under "l2" alone: under cosine and inner product subtracting a mean
        would change the ranking.
        """
        parts: dict[str, Any] = {"codec": self.codec(), "rescore": self.rescorer()}
        parts["transform"] = self.make_transform(metric, random_state)
        if self.kind == "flat":
            return Flat(metric, **parts)
        if self.kind == "ivf":
            return IVF(metric, **parts, lists=self.lists, random_state=random_state)
        names = ("degree", "build_beam", "alpha", "layout", "link_bits", "link_dims")
        return Graph(metric, **parts, **{name: getattr(self, name) for name in names}, random_state=random_state)

    def make_transform(self, metric: Any = "cosine", random_state: int = 0) -> Any:
        """The transform before the codes: unfitted, or the recipe's own, or None."""
        # scikit-learn takes a second to load, and opening a store reads recipes
        if self.leanvec is not None:
            from ..transform import LeanVec

            return LeanVec(self.leanvec, random_state=random_state)
        if self.pca is not None:
            from ..transform import PCA

            name = metric if isinstance(metric, str) else metric.name
            return PCA(self.pca, center=name == "l2", random_state=random_state)
        return self.transform

    def codec(self) -> Codec:
        """The codec, unfitted, that the rows are kept in."""
        if self.rescore == "residual":
            return TwoLevelQuantizer()
        return RotatedQuantizer(self.bits) if self.rotated else _codec(self.bits)

    def rescorer(self) -> Codec | str | None:
        """What ``rescore`` means to an index: a codec, unfitted, or "vectors", or None."""
        return _codec(self.rescore) if isinstance(self.rescore, int) else self.rescore

    def search_settings(self, *, filtered: bool = False) -> dict[str, Any]:
        """What to give to the index's ``search``, beside the queries and ``k``.

        ``filtered`` : for searches with ``allow``, which slack does not end: the beam is then the two thirds that find
        as much without.
        """
        settings: dict[str, Any] = {}
        if self.kind == "graph" and self.beam is not None:
            settings["beam"] = -(-2 * self.beam // 3) if filtered and self.slack is True else self.beam
        if self.kind == "graph" and not filtered and self.slack is not None and self.slack is not False:
            ties = self.slack is True
            settings["slack"] = (self.beam or DEFAULT_BEAM) / _BEAM_PER_SLACK if ties else float(self.slack)
            if self.slack_from is not None:
                settings["slack_from"] = self.slack_from
        if self.kind == "ivf" and self.probes is not None:
            settings["probes"] = self.probes
        if self.rescore is not None and self.candidates is not None:
            settings["candidates"] = self.candidates
        return settings

    @property
    def has_width(self) -> bool:
        """Whether a search can be made wider: all but scans that score nothing again."""
        return self.kind != "flat" or self.rescore is not None

    @property
    def width(self) -> int | None:
        """What :meth:`with_width` set."""
        if self.kind == "graph":
            return 2 * self.beam // 3 if self.beam is not None and self.slack is True else self.beam
        return self.probes if self.kind == "ivf" else self.candidates

    def with_width(self, width: int, k: int) -> Recipe:
        """The recipe that searches so wide for ``k`` neighbours.

        Of a graph, that beam, all of which is scored again; with ``slack=True`` half as much again, of which the
        beam is. Of lists, that many are read. Of a scan, that many candidates.
        """
        if not self.has_width:
            return self
        if self.kind == "ivf":
            again = max(32, _CANDIDATES_PER_K.get(self.bits, 4) * k) if self.candidates is None else self.candidates
            return replace(self, probes=width, candidates=again if self.rescore is not None else None)
        candidates = width if self.rescore is not None else None
        if self.kind == "flat":
            return replace(self, candidates=candidates)
        if self.slack is None or self.slack is False:
            return replace(self, beam=width, candidates=candidates)
        beam = -(-3 * width // 2) if self.slack is True else width
        return replace(self, beam=beam, candidates=candidates, slack_from=k)

    def to_dict(self) -> dict[str, Any]:
        """As JSON; a map of the recipe's own is written out, four thirds of its bytes."""
        described = vars(self).copy()
        if self.transform is not None:
            described["transform"] = {name: _text(array) for name, array in self.transform.to_arrays().items()}
        return described

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Recipe:
        """The recipe that :meth:`to_dict` described; fields that an older version did not know take their defaults."""
        if not isinstance(description, Mapping):
            raise TypeError(f"description: expected a dict as to_dict gives it, got {type(description).__name__}")
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(description) - known)
        if unknown:
            raise ValueError(f"recipe: expected the fields {sorted(known)}, got also {unknown}")
        return cls(**description)

    def __str__(self) -> str:
        kinds = {"flat": "flat scan", "ivf": "lists", "graph": "fast graph" if self.layout == "fast" else "graph"}
        text = f"{kinds[self.kind]} of {f'{self.bits}-bit rotated codes' if self.rotated else _CODES[self.bits]}"
        if self.pca is not None:
            text += f" of {self.pca} components"
        if self.leanvec is not None:
            text += f" of {self.leanvec} directions"
        if self.transform is not None:
            text += f" after a map to {self.transform.n_features_out} dimensions"
        if self.rescore is not None:
            text += f", rescored by {(_CODES | _RESCORED)[self.rescore]}"
        if self.queries:
            text += ", built with sample queries"
        if self.kind == "graph":
            if self.link_bits != 2 or self.link_dims is not None:
                text += f", links of {self.link_bits} bits"
                text += f" along {self.link_dims} directions" * (self.link_dims is not None)
            text += f", degree {self.degree}" * (self.degree != 32) + f", beam {self.beam}" * (self.beam is not None)
            if self.slack is not None and self.slack is not False:
                text += " with slack" if self.slack is True else f" with slack {self.slack:g}"
        elif self.kind == "ivf":
            text += f", {self.probes} probes" * (self.probes is not None)
        elif self.rescore is not None and self.candidates is not None:
            text += f", {self.candidates} candidates"
        return text


_CODES = {32: "floats", 16: "half floats", 8: "8-bit codes", 4: "4-bit codes"}
_RESCORED = {"vectors": "the vectors", "residual": "4 bits more"}


def _codec(bits: int) -> Codec:
    if bits == 32:
        return Float32()
    return Float16() if bits == 16 else ScalarQuantizer(bits)


def _text(array: np.ndarray) -> dict[str, Any]:
    return {"shape": list(array.shape), "float32": base64.b64encode(array.astype("<f4").tobytes()).decode()}


def _array(described: Any) -> np.ndarray:
    if not isinstance(described, Mapping) or set(described) != {"shape", "float32"}:
        raise ValueError("transform: expected arrays as to_dict gives them, with 'shape' and 'float32'")
    values = np.frombuffer(base64.b64decode(described["float32"], validate=True), "<f4")
    return values.reshape(described["shape"]).astype(np.float32)

"""The documentation of the Python packages installed here: a data set that every machine has."""

from __future__ import annotations

import gc
import os
import re
import site
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..common.progress import Progress
from .source_files import Definition, SourceFile, read_source

_MAX_BYTES = 1_000_000  # larger sources are tables written by a program
_MAX_PROSE = 600  # characters kept of a docstring's prose
_MAX_TEXT = 200  # characters of it that are embedded
_MAX_DEPTH = 12  # of names passed on from module to module; modules may import each other in a circle
_SKIPPED_FOLDERS = {
    *("__pycache__", "_internal", "_vendor", "benchmarks", "conftest", "ensurepip", "examples", "extern"),
    *("externals", "idlelib", "lib2to3", "pydoc_data", "test", "tests", "turtledemo", "vendor", "vendored"),
}
_ALIASES = {"posixpath": "os.path"}
_SKIPPED_MODULES = {"ntpath", "antigravity", "this", "setup", "conftest"}


@dataclass(frozen=True)
class Document:
    """One documented object of a package.

    Attributes
    ----------
    id : the name to import it by, such as ``"numpy.linalg.svd"``; unique.
    text : what to embed: the last two parts of the name as words, and the docstring's first sentences, up to 200
        characters. With WordLlama vectors and 40 questions asked in plain words this put a right answer first for 34;
        the whole name with the parameters and more of the docstring did so for 28.
    signature : the names of the parameters, in parentheses; empty for modules and classes.
    summary : the docstring's first sentence, for people.
    package : the first part of the id.
    kind : ``"module"``, ``"class"``, ``"function"`` or ``"method"``.
    n_chars : length of the whole docstring.

    Examples
    --------
    >>> loads = Document("json.loads", "json loads: Deserialize s.", "(s)", "Deserialize s.", "json", "function", 14)
    >>> loads.id + loads.signature
    'json.loads(s)'
    """

    id: str
    text: str
    signature: str
    summary: str
    package: str
    kind: str
    n_chars: int


def python_documentation(packages: Sequence[str] | None = None, *, progress: bool | None = None) -> list[Document]:
    """Collect the docstrings of the standard library and the installed packages, without importing anything.

    A data set of tens of thousands of real texts that needs no download: for demonstrations, tests and trying things
    out. Source files are parsed, not run; private names, tests and vendored copies are left out; objects that live in
    private modules appear under the public name that passes them on (``numpy.linalg.svd``). Compiled functions have no
    source here and are missing. Files that cannot be read or parsed are skipped.

    Parameters
    ----------
    packages : names of top-level packages or modules (``["numpy", "json"]``); None takes all there are.
    progress : None shows a bar on a terminal, True or False decides.

    Returns
    -------
    list of Document, sorted by id; the same installed packages give the same list.

    Raises
    ------
    ValueError
        A package asked for has no Python source here.

    Examples
    --------
    >>> documents = {document.id: document for document in python_documentation(["json"])}
    >>> documents["json.loads"].kind
    'function'
    """
    wanted = None if packages is None else set([packages] if isinstance(packages, str) else packages)
    files: dict[str, Path] = {}
    for module, path in _walk():
        if wanted is None or module.partition(".")[0] in wanted:
            files.setdefault(module, path)  # the first on the path hides the others, as for imports
    missing = sorted((wanted or set()) - {module.partition(".")[0] for module in files})
    if missing:
        raise ValueError(f"packages: expected installed packages with Python source, got {', '.join(missing)}")
    sources: dict[str, SourceFile] = {}
    collecting = gc.isenabled()
    gc.disable()  # syntax trees are millions of objects without cycles: collecting among them takes a fifth of the time
    try:
        with Progress("reading documentation", len(files), unit="files", enabled=progress) as bar:
            for module, path in sorted(files.items()):
                source = _read(module, path)
                if source is not None:
                    sources[module] = source
                bar.update(1)
    finally:
        if collecting:
            gc.enable()
    return _documents(sources)


def _walk() -> Iterator[tuple[str, Path]]:
    """``(module name, file)`` of all sources: the standard library, then the folders of installed packages."""
    roots = [sysconfig.get_path("stdlib"), *site.getsitepackages(), *sysconfig.get_paths().values()]
    roots += [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    kept = [root for root in roots if root == roots[0] or Path(root).name in ("site-packages", "dist-packages")]
    for root in dict.fromkeys(kept):
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(f for f in folders if f.isidentifier() and f not in _SKIPPED_FOLDERS)
            prefix = list(Path(folder).relative_to(root).parts)
            for name in sorted(names):
                stem, extension = os.path.splitext(name)
                if extension != ".py" or not stem.isidentifier() or stem in _SKIPPED_MODULES:
                    continue
                if stem.startswith("test_") or stem.endswith("_test"):
                    continue
                parts = prefix if stem == "__init__" else [*prefix, stem]
                if parts:
                    yield ".".join(parts), Path(folder, name)


def _read(module: str, path: Path) -> SourceFile | None:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    return read_source(module, path.name == "__init__.py", content)


def _is_public(module: str) -> bool:
    return not any(part.startswith("_") for part in module.split("."))


def _documents(sources: dict[str, SourceFile]) -> list[Document]:
    found: dict[str, Document] = {}
    for path, source in sorted(sources.items()):
        if _is_public(path):
            _add(found, Definition("module", path.rpartition(".")[2], "", source.doc), _ALIASES.get(path, path))
    for (module, name), path in sorted(_public_names(sources).items()):
        definition = sources[module].definitions[name]
        _add(found, definition, path)
        for method in definition.methods:
            _add(found, method, f"{path}.{method.name}")
    return [found[key] for key in sorted(found)]


def _public_names(sources: dict[str, SourceFile]) -> dict[tuple[str, str], str]:
    """Where each definition lives -> the shortest public name by which it can be imported."""
    names: dict[tuple[str, str], list[str]] = {}
    for module, source in sources.items():
        if not _is_public(module):
            continue
        public = _ALIASES.get(module, module)
        for name in source.definitions:
            if source.offers(name) and not name.startswith("_"):
                names.setdefault((module, name), []).append(f"{public}.{name}")
        for name in _passed_on(source, sources):
            home = _home(sources, module, name, 0)
            if home is not None and not name.startswith("_") and _same_package(home[0], module):
                names.setdefault(home, []).append(f"{public}.{name}")
    return {home: min(paths, key=lambda path: (path.count("."), path)) for home, paths in names.items()}


def _passed_on(source: SourceFile, sources: dict[str, SourceFile]) -> Iterable[str]:
    """Imported names that a module shows as its own: those in ``__all__``, or all that a package imports."""
    if source.public is not None:
        return source.public - source.definitions.keys()
    return _brought(source, sources, 0) - source.definitions.keys() if source.is_package else ()


def _brought(source: SourceFile, sources: dict[str, SourceFile], depth: int) -> set[str]:
    """The names that ``from source import *`` brings."""
    if source.public is not None:
        return source.public
    names = {*source.definitions, *source.imports}
    for star in source.stars:
        if star in sources and depth < _MAX_DEPTH:
            names |= _brought(sources[star], sources, depth + 1)
    return {name for name in names if not name.startswith("_")}


def _home(sources: dict[str, SourceFile], module: str, name: str, depth: int) -> tuple[str, str] | None:
    """The module where a name that ``module`` shows is defined, and its name there."""
    source = sources.get(module)
    if source is None or depth > _MAX_DEPTH:
        return None
    if name in source.definitions:
        return module, name
    if name in source.imports:
        return _home(sources, *source.imports[name], depth + 1)
    homes = (_home(sources, star, name, depth + 1) for star in source.stars)
    return next((home for home in homes if home is not None), None)


def _same_package(home: str, module: str) -> bool:
    """A package is not credited with what it imports from others, except from its own private top-level twin."""
    first, second = home.partition(".")[0], module.partition(".")[0]
    return first.lstrip("_") == second or (first.startswith("_") and second in first)


def _add(found: dict[str, Document], definition: Definition, path: str) -> None:
    prose = _prose(definition, path)
    if prose.count(" ") < 1:
        return
    if path in found and found[path].kind != "module":  # a function hides the module of its own name
        return
    signature = f"({definition.signature})" if definition.kind in ("function", "method") else ""
    found[path] = Document(
        id=path,
        text=f"{_words(path)}: {_sentences(prose)}",
        signature=signature,
        summary=_summary(prose),
        package=path.partition(".")[0],
        kind=definition.kind,
        n_chars=len(definition.doc),
    )


_SECTION = re.compile(
    r"^\s*(?:\S.*\n\s*[-=~]{3,}\s*$|:\w+[^:\n]*:|(?:Args|Arguments|Parameters|Returns|Raises|Example|Examples|Usage"
    r"|Attributes|Note|Notes)\s*:?\s*$|>>>|\.\. )",
    re.MULTILINE,
)
_TITLE = re.compile(r"[=~*#-]{3,}\s*\n(.*)\n[=~*#-]{3,}\s*\n|(.*)\n[=~*#-]{3,}\s*\n")
_MARKDOWN_TITLE = re.compile(r"^#{1,6}\s+(.*\w)\W*$", re.MULTILINE)
_ADMONITION = re.compile(r"^\s*!!! \w+(?: \".*\")?$", re.MULTILINE)
_ROLE = re.compile(r":[\w:.+-]+:`~?([^`<]+?)(?:\s*<[^`]*>)?`")


def _prose(definition: Definition, path: str) -> str:
    """The first paragraphs, up to the first section, directive or example, as plain running text."""
    doc = definition.doc.strip()
    title = _TITLE.match(doc) if definition.kind == "module" else None
    if title:
        words = (title[1] or title[2]).strip().rstrip(".")
        doc = doc[title.end() :].strip() if words in path else f"{words}. {doc[title.end() :].strip()}"
    name = re.escape(definition.name)
    doc = re.sub(
        rf"^(?:[\w.]+\s*=\s*)?(?:[\w.]+\.)?{name}\([^()]*(?:\([^()]*\)[^()]*)*\)(?:\s*->.*)?\s*(?:--)?\s*", "", doc
    )
    doc = _MARKDOWN_TITLE.sub(r"\1.", doc)
    section = _SECTION.search(doc)
    kept = doc[: section.start()] if section else doc
    text = " ".join(_ROLE.sub(r"\1", _ADMONITION.sub("", kept)).replace("`", "").replace("**", "").split())
    return text if len(text) <= _MAX_PROSE else text[:_MAX_PROSE].rpartition(" ")[0] + " ..."


def _words(path: str) -> str:
    """``sklearn.cluster.KMeans.fit_predict`` -> ``K Means fit predict``, which a tokenizer knows better."""
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", part).replace("_", " ") for part in path.split(".")[-2:])


def _sentences(prose: str) -> str:
    if len(prose) <= _MAX_TEXT:
        return prose
    end = prose.rfind(". ", 40, _MAX_TEXT)
    return prose[: end + 1] if end > 0 else prose[:_MAX_TEXT].rpartition(" ")[0]


def _summary(prose: str) -> str:
    """The first sentence; the second as well where the first is a title of a word or two."""
    ends = [end.start() + 1 for end in re.finditer(r"[.!?](?=\s|$)", prose)]
    long_enough = [end for end in ends if end >= 20] or ends[-1:] or [len(prose)]
    first = prose[: long_enough[0]]
    return first if len(first) <= 160 else first[:160].rpartition(" ")[0] + " ..."

"""What a Python source file documents and what it passes on, read without importing it."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field

_MAX_SIGNATURE = 160


@dataclass
class Definition:
    """A documented class or function; ``methods`` are the documented public ones of a class."""

    kind: str
    name: str
    signature: str
    doc: str
    methods: list[Definition] = field(default_factory=list)


@dataclass
class SourceFile:
    """One module: its definitions, the names and the whole modules (``stars``) it imports from, and ``__all__``."""

    module: str
    is_package: bool
    doc: str
    definitions: dict[str, Definition] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    public: set[str] | None = None

    def offers(self, name: str) -> bool:
        """Whether ``from module import *`` would bring the name."""
        return name in self.public if self.public is not None else not name.startswith("_")


def read_source(module: str, is_package: bool, content: bytes) -> SourceFile | None:
    """Parse one file; None when it is not Python that this interpreter reads."""
    try:
        with warnings.catch_warnings():  # old code: invalid escapes in strings
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = SourceFile(module, is_package, _doc(tree))
    _read_body(tree.body, found)
    return found


def _read_body(body: list[ast.stmt], found: SourceFile) -> None:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _keep(found.definitions, _function(node, "function"))
        elif isinstance(node, ast.ClassDef):
            _keep(found.definitions, _class(node))
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, found)
            for alias in node.names:
                if alias.name == "*":
                    found.stars.append(source)
                else:
                    found.imports[alias.asname or alias.name] = (source, alias.name)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            _read_all(node, found)
        elif isinstance(node, ast.If):
            _read_body(node.body + node.orelse, found)
        elif isinstance(node, ast.Try):
            _read_body(node.body + [child for handler in node.handlers for child in handler.body], found)


def _keep(definitions: dict[str, Definition], new: Definition) -> None:
    """The first documented one of a name wins: overloads, setters and fallbacks come again."""
    old = definitions.get(new.name)
    if old is None or (not old.doc and new.doc):
        definitions[new.name] = new


def _class(node: ast.ClassDef) -> Definition:
    members: dict[str, Definition] = {}
    signature = ""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if child.name == "__init__":
                signature = _signature(child, bound=True)
            elif not child.name.startswith("_"):
                _keep(members, _function(child, "method"))
    return Definition("class", node.name, signature, _doc(node), [one for one in members.values() if one.doc])


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, kind: str) -> Definition:
    doc = _doc(node)
    return Definition(kind, node.name, _signature(node, bound=kind == "method") if doc else "", doc)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, bound: bool) -> str:
    """Names of the parameters, without types and defaults: what a reader needs to recognise the call."""
    arguments = node.args
    names = [argument.arg for argument in arguments.posonlyargs + arguments.args]
    static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in node.decorator_list)
    names = names[1:] if bound and not static else names
    names += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    names += [argument.arg for argument in arguments.kwonlyargs]
    names += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    text = ", ".join(names)
    return text if len(text) <= _MAX_SIGNATURE else text[:_MAX_SIGNATURE].rpartition(", ")[0] + ", ..."


def _doc(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    try:
        return ast.get_docstring(node) or ""
    except (TypeError, ValueError):
        return ""


def _absolute(node: ast.ImportFrom, found: SourceFile) -> str:
    """The module named by a ``from`` import, relative ones resolved."""
    if not node.level:
        return node.module or ""
    parts = found.module.split(".")
    parts = parts[: len(parts) - node.level + found.is_package]
    return ".".join(parts + ([node.module] if node.module else []))


def _read_all(node: ast.Assign | ast.AugAssign | ast.AnnAssign, found: SourceFile) -> None:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
        return
    literal = isinstance(node.value, ast.List | ast.Tuple)
    names = {
        e.value for e in getattr(node.value, "elts", ()) if isinstance(e, ast.Constant) and isinstance(e.value, str)
    }
    if isinstance(node, ast.AugAssign):
        found.public = found.public | names if literal and found.public is not None else None
    else:
        found.public = names if literal else None  # computed: nobody knows without running it

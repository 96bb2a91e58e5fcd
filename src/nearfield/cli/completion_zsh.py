"""The completion of zsh, by its ``_arguments``: with the help of each option beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .completing import FILES, FOLDERS, Line, Option, Value

_SCRIPT = """\
#compdef nearfield
# Completion of nearfield for zsh; made by `nearfield completion zsh`.
_nearfield() {
    local curcontext=$curcontext
    local -a below
    words=("${(@)words[2,-1]}")
    (( CURRENT -= 1 ))
@CASES@
}
if [[ ${funcstack[1]} == _nearfield ]]; then _nearfield "$@"; else compdef _nearfield nearfield; fi"""


def script(lines: Sequence[Line]) -> str:
    """The text to ``eval``, or to keep as ``_nearfield`` in a folder of ``$fpath``."""
    return _SCRIPT.replace("@CASES@", _case(lines, (), "    "))


def _case(lines: Sequence[Line], command: tuple[str, ...], indent: str) -> str:
    """Complete the name of a command below ``command``, or hand over to it."""
    below = [line for line in lines if line.command[:-1] == command and line.command]
    own = next(line for line in lines if line.command == command)
    rows = [
        f"{indent}if (( CURRENT == 1 )); then",
        f"{indent}    below=({' '.join(_quoted(f'{_plain(one.command[-1])}:{one.summary}') for one in below)})",
        f"{indent}    _describe -t commands command below",
        f"{indent}    _arguments {' '.join(_option(option) for option in own.options)}",
        f"{indent}    return",
        f"{indent}fi",
        f"{indent}case $words[1] in",
    ]
    for one in below:
        rows.append(f"{indent}    {one.command[-1]})")
        if any(line.command[:-1] == one.command for line in lines):
            rows += [f'{indent}        words=("${{(@)words[2,-1]}}")', f"{indent}        (( CURRENT -= 1 ))"]
            rows.append(_case(lines, one.command, indent + "        "))
        else:
            specs = [*map(_option, one.options), *(_place(number, value) for number, value in enumerate(one.places, 1))]
            # The line break before each spec keeps the script readable.
            rows.append(f"{indent}        _arguments \\\n" + " \\\n".join(f"{indent}            {s}" for s in specs))
        rows.append(f"{indent}        ;;")
    return "\n".join([*rows, f"{indent}esac"])


def _option(option: Option) -> str:
    value = "" if option.value is None else f":{_plain(option.value.metavar)}:{_action(option.value)}"
    specs = []
    for flag in option.flags:
        # Once is enough, also under another spelling, unless it may be repeated.
        before = "*" if option.repeated else f"({' '.join(option.flags)})"
        bound = "+" if value and not flag.startswith("--") else "=" if value else ""
        specs.append(_quoted(f"{before}{flag}{bound}[{_plain(option.help)}]{value}"))
    return " ".join(specs)


def _place(number: int, value: Value) -> str:
    return _quoted(f"{'*' if value.several else number}:{_plain(value.metavar)}:{_action(value)}")


def _action(value: Value) -> str:
    if value.words:
        return f"({' '.join(word.replace(':', chr(92) + ':') for word in value.words)})"
    # An empty list rather than a blank, which zsh shows as a message that keeps it from inserting an option.
    return {FILES: "_files", FOLDERS: "_files -/"}.get(value.kind, "()")


def _plain(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"

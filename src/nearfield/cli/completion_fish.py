"""The completion of fish: a line for each option, under the condition that its command was given."""

from __future__ import annotations

from collections.abc import Sequence

from .completing import FILES, FOLDERS, Line, Option, Value

_HEAD = """\
# Completion of nearfield for fish; made by `nearfield completion fish`.
function __nearfield_at --description 'whether these words, and no other command, were given'
    set --local given (commandline -opc)
    set --erase given[1]
    test (count $given) -ge (count $argv); or return 1
    for number in (seq (count $argv))
        test $given[$number] = $argv[$number]; or return 1
    end
end
function __nearfield_next --description 'whether exactly these words were given'
    set --local given (commandline -opc)
    test (math (count $given) - 1) -eq (count $argv); or return 1
    test (count $argv) -eq 0; or __nearfield_at $argv
end
complete -c nearfield -f"""


def script(lines: Sequence[Line]) -> str:
    """The text of ``~/.config/fish/completions/nearfield.fish``."""
    rows = [_HEAD]
    for line in lines:
        name = " ".join(line.command)
        if line.command:
            above = " ".join(line.command[:-1])
            rows.append(_complete(f"__nearfield_next {above}".strip(), f"-a {line.command[-1]}", line.summary))
        under = f"__nearfield_at {name}" if line.command else "__nearfield_next"
        rows += [_complete(under, _option(option), option.help) for option in line.options]
        if not any(other.command[:-1] == line.command and other.command for other in lines):
            rows += [_complete(under, said, "") for said in dict.fromkeys(map(_value, line.places)) if said]
    return "\n".join(rows)


def _option(option: Option) -> str:
    flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
    if option.value is None:
        return flags
    return f"{flags} {_value(option.value) or '-x'}".replace(" -a", " -x -a").replace(" -F", " -r -F")


def _value(value: Value) -> str:
    if value.words:
        return f"-a {_quoted(' '.join(value.words))}"
    return {FILES: "-F", FOLDERS: "-a '(__fish_complete_directories)'"}.get(value.kind, "")


def _complete(under: str, what: str, help: str) -> str:
    described = f" -d {_quoted(help)}" if help else ""
    return f"complete -c nearfield -n {_quoted(under)} {what}{described}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

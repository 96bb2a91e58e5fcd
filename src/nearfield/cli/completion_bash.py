"""The completion of bash: one function that is all the script there is; works from bash 3.2 on."""

from __future__ import annotations

from collections.abc import Sequence

from .completing import FILES, FOLDERS, Line, Option, Value

_SCRIPT = """\
# Completion of nearfield for bash; made by `nearfield completion bash`.
_nearfield() {
    local cur prev command= flags= valued= kind= words= place=0 at word skip=
    COMPREPLY=()
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD-1]}
    # bash takes --metric=cosine and onnx:folder apart at their = and :
    if [[ $cur == '=' || $cur == ':' ]]; then prev=$cur; cur=; fi
    if [[ $prev == '=' ]]; then
        prev=${COMP_WORDS[COMP_CWORD-1]}
        [[ $prev == '=' ]] && prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for (( at = 1; at < COMP_CWORD; at++ )); do
        word=${COMP_WORDS[at]}
        if [[ -n $skip ]]; then skip=; continue; fi
        case "$command/$word" in
@COMMANDS@
        esac
        if [[ $word == '=' || $word == ':' ]]; then skip=1; continue; fi
        if [[ $word == -* ]]; then
            [[ ${COMP_WORDS[at+1]} == '=' ]] && continue
            [[ " $valued " == *" $word "* ]] && skip=1
            continue
        fi
        place=$(( place + 1 ))
    done
    if [[ -z $command ]]; then
@BARE@
    fi
    if [[ $prev == ':' ]]; then
        kind=folders
    elif [[ " $valued " == *" $prev "* ]]; then
        flags=
        case "$command/$prev" in
@VALUES@
        esac
    elif [[ $cur == -* ]]; then
        words=$flags
    else
        case "$command/$place" in
@PLACES@
        esac
        [[ -z $kind && -z $words && -z $cur ]] && words=$flags
    fi
    if [[ $kind == files || $kind == folders ]]; then
        local IFS=$'\\n' which=-f
        [[ $kind == folders ]] && which=-d
        compopt -o filenames 2>/dev/null
        COMPREPLY=( $(compgen "$which" -- "$cur") )
    elif [[ -n $words ]]; then
        COMPREPLY=( $(compgen -W "$words" -- "$cur") )
        [[ ${COMPREPLY[0]} == *: ]] && compopt -o nospace 2>/dev/null
    fi
    return 0
}
complete -F _nearfield nearfield"""


def script(lines: Sequence[Line]) -> str:
    """The text to ``eval``."""
    bare, commands, values, places = "", [], [], []
    for line in lines:
        name = " ".join(line.command)
        said = f"flags='{' '.join(_flags(line))}' valued='{' '.join(_valued(line))}'"
        if line.command:
            above = " ".join(line.command[:-1])
            commands.append(f"{' ' * 12}'{above}/{line.command[-1]}') command='{name}' {said} place=0; continue ;;")
        else:
            bare = f"{' ' * 8}{said}"
        for option in line.options:
            if option.value is not None and (set_ := _set(option.value)):
                values.append(f"{' ' * 12}{_patterns(name, option)}) {set_} ;;")
        for number, place in enumerate(line.places):
            if set_ := _set(place):
                pattern = f"'{name}/'*" if place.several else f"'{name}/{number}'"
                places.append(f"{' ' * 12}{pattern}) {set_} ;;")
    filled = _SCRIPT.replace("@BARE@", bare)
    for mark, found in (("@COMMANDS@", commands), ("@VALUES@", values), ("@PLACES@", places)):
        filled = filled.replace(mark, "\n".join(found))
    return filled


def _flags(line: Line) -> list[str]:
    return [flag for option in line.options for flag in option.flags]


def _valued(line: Line) -> list[str]:
    return [flag for option in line.options if option.value is not None for flag in option.flags]


def _patterns(name: str, option: Option) -> str:
    return "|".join(f"'{name}/{flag}'" for flag in option.flags)


def _set(value: Value) -> str:
    if value.words:
        return f"words='{' '.join(value.words)}'"
    return f"kind={value.kind}" if value.kind in (FILES, FOLDERS) else ""

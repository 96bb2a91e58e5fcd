from __future__ import annotations

import argparse

import pytest

from nearfield.cli.parsers import COMMANDS, command_parser, parse

# Commands that answer nothing: a server.
WITHOUT_JSON = {"serve"}


def _leaves(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [leaf for action in below for one in action.choices.values() for leaf in _leaves(one)] or [parser]


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - WITHOUT_JSON))
def test_every_command_has_json_and_says_what_its_options_are(name: str) -> None:
    for parser in _leaves(command_parser(name)):
        flags = [flag for action in parser._actions for flag in action.option_strings]
        assert "--json" in flags, parser.prog
        assert all(action.help for action in parser._actions), parser.prog


@pytest.mark.parametrize(
    "line",
    [
        "search s.nf -k 3 some words --json",
        "search s.nf some -k 3 words --json",
        "search -k 3 --json s.nf some words",
        "search s.nf some words -k 3 --json",
        "search --json s.nf -k 3 -- some words",
    ],
)
def test_options_stand_anywhere(line: str) -> None:
    found = parse(line.split())
    assert (str(found.store), found.text, found.k, found.json) == ("s.nf", ["some", "words"], 3, True)


def test_words_that_look_like_options_stand_behind_two_dashes() -> None:
    found = parse(["search", "s.nf", "-k", "3", "--", "--help", "-5"])
    assert found.text == ["--help", "-5"]
    assert parse(["search", "s.nf", "-5", "degrees"]).text == ["-5", "degrees"]


def test_commands_of_a_command() -> None:
    assert parse(["bench", "peers", "--list"]).bench == "peers"


@pytest.mark.parametrize("line", ["", "-- search", "--json search s.nf a", "paint", "search s.nf a --paint", "bench"])
def test_wrong_lines_end_with_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(line.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: nearfield")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (["index", "", "a.nf"], "SOURCE"),
        (["index", "a.npy", ""], "STORE"),
        (["index", "a.npy", "a.nf", "--ids", ""], "--ids"),
        (["tag", "", "monday"], "STORE"),
        (["bench", "peers", "--out", ""], "--out"),
        (["serve", ""], "PATH"),
    ],
)
def test_an_empty_path_is_not_the_folder_here(line: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(line)
    assert ended.value.code == 2
    assert f"argument {name}: expected a path, got an empty text" in capsys.readouterr().err

"""The text of a filter: a mask, or an error that says where; in time, whatever came."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import FilterError
from nearfield.store import Store

Rounds = Callable[[int], Iterator[random.Random]]
SCHEMA = {"flag": "bool", "year": "int", "score": "float", "topic": "string", "seen": "timestamp", "odd name": "int"}

COLUMNS = ["flag", "year", "score", "topic", "seen", '"odd name"', "nothing", "a.b", "YEAR", '""', "*"]
LITERALS = [
    "1", "0", "-1", "2024", "1.5", "1e400", "-1e-400", "9223372036854775807", "9223372036854775808", "9" * 400,
    "0x10", "1_000", "'nlp'", "''", "'it''s'", "'%'", "'a\\'", "'\\_'", "'\x00'", "'\ud800'", "'2024-01-01'",
    "'0001-01-01T00:00:00+14:00'", "'9999-12-31T23:59:59-14:00'", "'24:00'", "null", "true", "false", "current_date",
    "date '2024-01-01'", "interval '1' day", "x'00'", "$1", "?", ":name", "b'1'", "N'x'", "{ts '2024-01-01'}", "[1]",
    "(1)", "((1))", "(select 1)", "cast(1 as int)",
]  # fmt: skip
OPERATORS = [
    "=", "!=", "<>", "<", "<=", ">", ">=", "like", "ilike", "not like", "is", "is not", "in", "not in", "==", "<=>",
    "~", "||", "+", "%", "::", "->", "between", "contains", "within",
]  # fmt: skip
TOKENS = [
    *COLUMNS, *LITERALS, *OPERATORS, "and", "or", "not", "(", ")", ",", ";", "--", "/*", "*/", "'", '"', "`", "\\",
    "case when", "then", "end", "select", "from", "where", "exists", "any(", "all(", "cast(", "f(", "lambda x:",
    "x ->", "array[", "]", "{", "}", "over (", "escape '", "collate", "symmetric", "union", "with", "\n", "\t",
    "\u2028", "é", "😀", "\x00", "@", "#", "&", "|", "^", "!", "similar to", "rlike", "glob", "unknown",
    "distinct from",
]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    rng = np.random.default_rng(0)
    with Store.create(tmp_path_factory.mktemp("filters") / "a.nf", 4, attributes=SCHEMA) as store:
        rows = [
            {
                "flag": bool(n % 2),
                "year": 2000 + n,
                "score": n / 3,
                "topic": ("nlp", "vision", "it's", "a%b_", "")[n % 5],
                "seen": f"2024-01-{n + 1:02d}",
                "odd name": n,
            }
            if n % 6
            else {}
            for n in range(30)
        ]
        store.add(list(range(30)), rng.standard_normal((30, 4), np.float32), attributes=rows)
        yield store


def expression(chance: random.Random, depth: int) -> str:
    """Something like the language, not always of it."""
    kind = chance.randrange(12 if depth else 7)
    column, literal = chance.choice(COLUMNS), chance.choice(LITERALS)
    if kind < 3:
        return f"{column} {chance.choice(OPERATORS)} {literal}"
    if kind == 3:
        return (
            f"{column} {chance.choice(('in', 'not in'))} ({', '.join(chance.choices(LITERALS, k=chance.randrange(5)))})"
        )
    if kind == 4:
        return f"{column} {chance.choice(('between', 'not between'))} {literal} and {chance.choice(LITERALS)}"
    if kind == 5:
        return f"{column} is {chance.choice(('null', 'not null', 'true', 'not false', 'unknown'))}"
    if kind == 6:
        return chance.choice((column, literal, f"{literal} {chance.choice(OPERATORS)} {column}"))
    inner = expression(chance, depth - 1)
    if kind == 7:
        return f"({inner})"
    if kind == 8:
        return f"not {inner}"
    return f"{inner} {chance.choice(('and', 'or', 'and not', ',', 'xor'))} {expression(chance, depth - 1)}"


def ask(store: Store, text: Any) -> Any:
    try:
        return store.search(np.ones(4, np.float32), 30, where=text)
    except FilterError as error:
        assert len(str(error)) < 2000
        return None


def test_something_like_the_language(store: Store, rounds: Rounds) -> None:
    understood = 0
    for chance in rounds(400):
        text = expression(chance, chance.randrange(4))
        hits = ask(store, text)
        if hits is not None:
            understood += 1
            opposite = ask(store, f"not ({text})")
            if opposite is not None and "--" not in text:
                both = {i for i in hits.ids if i is not None} & {i for i in opposite.ids if i is not None}
                assert not both, text
    assert understood > 15


def test_any_tokens(store: Store, rounds: Rounds) -> None:
    for chance in rounds(600):
        ask(store, chance.choice((" ", "", " ")).join(chance.choices(TOKENS, k=chance.randrange(1, 14))))


def test_any_characters(store: Store, rounds: Rounds) -> None:
    for chance in rounds(300):
        size = chance.randrange(1, 60)
        text = "".join(chr(chance.choice((chance.randrange(128), chance.randrange(0x110000)))) for _ in range(size))
        ask(store, text)
        ask(store, chance.randbytes(size).decode("latin-1"))


DEEP = {
    "parentheses": ("(", "year = 1", ")"),
    "nots": ("not ", "flag", ""),
    "nots in parentheses": ("not (", "flag", ")"),
    "calls": ("f(", "1", ")"),
    "cases": ("case when flag then ", "1", " end"),
    "casts": ("cast(", "year", " as int)"),
    "brackets": ("[", "1", "]"),
    "subqueries": ("(select ", "1", ")"),
    "minus": ("year = ", "-" * 1, "1"),
    "signs": ("-", "year", ""),
    "commas": ("(1, ", "2", ")"),
    "arrows": ("x -> ", "1", ""),
    "any": ("any(", "year = 1", ")"),
    "or in parentheses": ("(flag or ", "flag", ")"),
    "and in parentheses": ("(flag and ", "flag", " and flag)"),
    "exists": ("exists(", "select 1", ")"),
    "between": ("year between 1 and ", "2", ""),
    "quotes": ("'", "x", "'"),
    "comments": ("/*", "x", "*/"),
}


@pytest.mark.parametrize("depth", [25, 3000, pytest.param(30_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", DEEP)
def test_nesting(store: Store, rounds: Rounds, kind: str, depth: int) -> None:
    before, inside, after = DEEP[kind]
    text = (before * depth + inside + after * depth)[:900_000]
    for _ in rounds(1):
        ask(store, text)
        break


def test_long_texts(store: Store, rounds: Rounds) -> None:
    year = "year = 2001"
    for text in (
        " or ".join([year] * 1000),
        " and ".join([year] * 1000),
        f"year in ({', '.join(map(str, range(5000)))})",
        f"topic = '{'x' * 100_000}'",
        f"topic like '{'%a' * 5000}'",
        f"topic like '{'%_' * 5000}'",
        " " * 100_000 + year,
        year + "\n" * 100_000,
    ):
        for _ in rounds(1):
            assert ask(store, text) is not None
            break


def test_ten_megabytes_are_refused_at_once(store: Store) -> None:
    for piece in ("year = 2001 or ", "(", "'", "not ", "\x00", "é"):
        with pytest.raises(FilterError, match="expected at most"):
            store.search(np.ones(4, np.float32), where=piece * (10_000_000 // len(piece)))


def test_what_is_no_text(store: Store) -> None:
    for odd in (
        1,
        0.5,
        True,
        b"year = 1",
        ["year = 1"],
        {"year": 1},
        object(),
        np.array(["year = 1"]),
        Path("year"),
        store,
    ):
        with pytest.raises((TypeError, ValueError)):
            store.search(np.ones(4, np.float32), where=odd)

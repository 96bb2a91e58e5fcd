"""Hits as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import native
from ...store import Hits
from ..calls import to_json


def answers_of(hits: Hits, cursor: bool) -> list[dict[str, Any]]:
    """Hits as JSON, an answer for each query; what was not asked for is left out."""
    single = isinstance(hits.status, str)

    def rows(values: Any) -> Any:
        return [values] if single else values

    columns = {
        name: rows(values)
        for name, values in (
            ("relevance", hits.relevance),
            ("attributes", hits.attributes),
            ("payload", hits.payload),
            ("group", hits.groups),
            ("text", hits.text),
        )
        if values is not None
    }
    legs = {name: rows(values) for name, values in (hits.legs or {}).items()}
    cursors = rows(hits.cursor) if cursor else None
    answers = []
    for number, (ids, distances, status) in enumerate(
        zip(rows(hits.ids), rows(hits.distances), rows(hits.status), strict=True)
    ):
        found: list[dict[str, Any]] = [
            {"id": identifier, "distance": distance}
            for identifier, distance in zip(ids, distances.tolist(), strict=True)
            if identifier is not None
        ]
        if columns or legs:
            there = [place for place, identifier in enumerate(ids) if identifier is not None]
            for name, values in columns.items():
                for hit, place in zip(found, there, strict=True):
                    hit[name] = values[number][place]
            for hit, place in zip(found, there, strict=True):
                if legs:
                    hit["legs"] = {name: values[number][place] for name, values in legs.items()}
        answer: dict[str, Any] = {"hits": found, "status": status}
        if cursor:
            answer["cursor"] = None if cursors is None else cursors[number]
        answers.append(answer)
    return answers


def together(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The answers of many queries as one: every field is a list with an entry for each."""
    return (
        {name: [answer[name] for answer in answers] for name in answers[0]} if answers else {"hits": [], "status": []}
    )


def texts_of(hits: Hits, cursor: bool, counts: Sequence[int | None]) -> list[bytes]:
    """Hits of many queries as JSON, a text for each who asked: for so many of the queries, None: for one by itself.

    Hits that are but ids and distances, as most are, are written by the core.
    """
    more = hits.relevance, hits.attributes, hits.payload, hits.groups, hits.text
    if cursor or hits.legs or any(column is not None for column in more):
        return _spans(answers_of(hits, cursor), counts, to_json, _several)
    written = list(zip(native.write_hits(hits.ids, hits.distances), hits.status, strict=True))
    return _spans(written, counts, _one_written, _several_written)


def _spans(
    every: list[Any],
    counts: Sequence[int | None],
    one: Callable[[Any], bytes],
    several: Callable[[list[Any]], bytes],
) -> list[bytes]:
    texts = []
    start = 0
    for count in counts:
        texts.append(one(every[start]) if count is None else several(every[start : start + count]))
        start += 1 if count is None else count
    return texts


def _several(answers: list[dict[str, Any]]) -> bytes:
    return to_json(together(answers))


def _one_written(answer: tuple[bytes, str]) -> bytes:
    hits, status = answer
    return b'{"hits":%s,"status":%s}' % (hits, _OK if status == "ok" else to_json(status))


def _several_written(answers: list[tuple[bytes, str]]) -> bytes:
    statuses = [status for _, status in answers]
    return b'{"hits":[%s],"status":%s}' % (b",".join(hits for hits, _ in answers), to_json(statuses))


_OK = to_json("ok")

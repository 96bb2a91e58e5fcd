"""Hits as JSON."""

from __future__ import annotations

from typing import Any

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


def one_by_one(hits: Hits, cursor: bool) -> list[bytes]:
    """Hits of many queries as JSON, a text for each; where hits are but ids and distances, in half of the time."""
    if (
        cursor
        or hits.legs
        or not (hits.relevance is hits.attributes is hits.payload is hits.groups is hits.text is None)
    ):
        return [to_json(answer) for answer in answers_of(hits, cursor)]
    return [
        to_json(
            {
                "hits": [
                    {"id": identifier, "distance": distance}
                    for identifier, distance in zip(ids, distances, strict=True)
                    if identifier is not None
                ],
                "status": status,
            }
        )
        for ids, distances, status in zip(hits.ids, hits.distances.tolist(), hits.status, strict=True)
    ]

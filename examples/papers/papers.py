"""A listing of papers, to search, to draw and to watch: python papers.py import | search | map | digest."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from pathlib import Path

import numpy as np
from listing import ASPECTS, read_listing
from shelf import everything, full_id, learn, open_shelf, shelve
from vocabulary import HERE, read_vocabulary

import nearfield as nf

NOTES = 5
REFUSED = (
    ValueError,
    TypeError,
    OSError,
    nf.MissingExtraError,
    nf.StoreLockedError,
    nf.CorruptFileError,
    nf.FormatVersionError,
)


def main(arguments: list[str] | None = None) -> int:
    """0: done; 1: nothing was found; 2: it cannot be done, and why."""
    parsed = parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except REFUSED as error:
        print(f"papers.py: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    made = argparse.ArgumentParser(prog="papers.py", description=__doc__)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--store", type=Path, default=Path("papers.nf"), help="where the papers are (papers.nf)")
    commands = made.add_subparsers(required=True, metavar="import | search | map | digest")

    one = commands.add_parser("import", parents=[shared], help="add the papers of a listing that are not there yet")
    one.add_argument("listing", type=Path, help="JSON list of {title, abstract, ...}, or .jsonl")
    one.add_argument("--name", help="what this listing is called, for digests (the file's name)")
    one.add_argument("--vocabulary", type=Path, default=HERE / "vocabulary.toml", help="words of tasks, methods, data")
    one.set_defaults(run=import_)

    one = commands.add_parser("search", parents=[shared], help="ask; exit code 1 where nothing is relevant")
    one.add_argument("question", nargs="*", help="what the papers should be about")
    one.add_argument("-k", type=int, default=10, help="most papers (10)")
    one.add_argument("--like", action="append", metavar="ID", help="like this paper; the beginning of its id will do")
    one.add_argument("--unlike", action="append", metavar="ID", help="but not like that one")
    one.add_argument("--aspect", action="append", metavar="NAME[=WEIGHT]", help="near in task, method or data alone")
    one.add_argument("--to", action="append", metavar="NAME=LABEL", help="the same, but with this task, method or data")
    one.add_argument("--where", help="a condition, such as \"year >= 2020 and task = 'clustering'\"")
    one.add_argument("--max-false", type=float, metavar="RATE", help="of off-topic questions answered (0.05)")
    one.add_argument("--no-cut", action="store_true", help="show the nearest, relevant or not")
    one.set_defaults(run=search)

    one = commands.add_parser("map", parents=[shared], help="draw all papers on one page")
    one.add_argument("--by", choices=["group", *ASPECTS], default="group", help="what colours mean (group)")
    one.add_argument("--out", type=Path, default=Path("map.html"), help="the page (map.html)")
    one.set_defaults(run=map_)

    one = commands.add_parser("digest", parents=[shared], help="write what grew as an e-mail, .eml and .html")
    split = one.add_mutually_exclusive_group(required=True)
    split.add_argument("--since", type=dt.date.fromisoformat, metavar="DATE", help="recent is published from here on")
    split.add_argument("--listing", metavar="NAME", help="recent is what came with this listing")
    one.add_argument("--until", type=dt.date.fromisoformat, metavar="DATE", help="with --since: and before this day")
    one.add_argument("--confidence", type=float, default=0.95, help="that all intervals hold together (0.95)")
    one.add_argument("--title", default="What is growing in our papers", help="of the e-mail")
    one.add_argument("--sender", default="digest@example.org", help="From:")
    one.add_argument("--to", default="readers@example.org", help="To:")
    one.add_argument("--out", type=Path, default=Path("digest"), help="the files, without .eml and .html (digest)")
    one.set_defaults(run=digest)
    return made


def import_(asked: argparse.Namespace) -> int:
    """Read, encode, add; then learn the aspects and what is relevant."""
    listing = read_listing(asked.listing)
    vocabulary = read_vocabulary(asked.vocabulary)
    encoder = nf.WordLlama()
    with open_shelf(asked.store, encoder, create=True) as store:
        done = shelve(store, encoder, listing.papers, asked.name or asked.listing.stem, vocabulary)
        print(f"{done.added} papers added, {done.known} were there already, {len(store)} in {asked.store}")
        for note in listing.notes[:NOTES]:
            print(f"  {note}")
        if len(listing.notes) > NOTES:
            print(f"  and {len(listing.notes) - NOTES} more such notes")
        for sentence in learn(store, encoder):
            print(f"  {sentence}")
    return 0


def search(asked: argparse.Namespace) -> int:
    """By a question, by papers, or both; in all respects or in one; cut where nothing is relevant any more."""
    question = " ".join(asked.question).strip()
    if not question and not asked.like:
        raise ValueError("search: expected a question or --like, got neither")
    encoder = nf.WordLlama()
    with open_shelf(asked.store, encoder) as store:
        plain = not (asked.like or asked.unlike or asked.aspect or asked.to)
        max_false = asked.max_false
        if max_false is None and plain and store.judge is not None:
            max_false = 0.05  # the judge knows questions; what is like a paper, or near in one respect, is not cut
        hits = store.search(
            encoder.encode(question) if question else None,
            k=asked.k,
            like=[full_id(store, one) for one in asked.like] if asked.like else None,
            unlike=[full_id(store, one) for one in asked.unlike] if asked.unlike else None,
            aspect=dict(_weight(one) for one in asked.aspect) if asked.aspect else None,
            to=dict(_pair(one, "--to", "NAME=LABEL") for one in asked.to) if asked.to else None,
            where=asked.where,
            max_false=None if asked.no_cut else max_false,
            attributes=True,
            payload=True,
        )
    found = [hit for hit in hits if hit.id is not None]
    for place, hit in enumerate(found, 1):
        sure = "" if hit.relevance is None or not plain else f"  relevance {hit.relevance:.2f}"
        said = " | ".join(hit.attributes[name] or "-" for name in ASPECTS)
        year = f"  {hit.attributes['year']}" if hit.attributes["year"] else ""
        print(f"{place:2}. {hit.payload['title']}\n    {hit.id}{year}{sure}\n    {said}")
    if hits.status != "ok":
        print(hits.status)
    return 0 if found else 1


def map_(asked: argparse.Namespace) -> int:
    """Draw the page."""
    from chart import draw
    from topics import found_groups

    with open_shelf(asked.store, nf.WordLlama()) as store:
        whole = everything(store)
    drawn = draw(whole, found_groups(whole), asked.by, f"Papers of {asked.store.stem}")
    asked.out.write_text(drawn.page, encoding="utf-8")
    print(f"{asked.out}: {len(whole)} papers; the map keeps {drawn.kept:.0%} of the ten nearest")
    return 0


def digest(asked: argparse.Namespace) -> int:
    """Compare, and write both files."""
    from letter import Digest, html, message
    from topics import found_groups, labelled_topics
    from trends import trends

    if asked.until is not None and asked.since is None:
        raise ValueError("--until: expected together with --since")
    with open_shelf(asked.store, nf.WordLlama()) as store:
        whole = everything(store)
    if asked.since is not None:
        days = whole.days
        recent = np.array([day is not None and asked.since <= day < (asked.until or dt.date.max) for day in days], bool)
        earlier = np.array([day is not None and day < asked.since for day in days], bool)
        names = f"before {asked.since}", f"since {asked.since}" + (f", before {asked.until}" if asked.until else "")
    else:
        recent = np.array([name == asked.listing for name in whole.columns["listing"]], bool)
        earlier = ~recent
        names = "all other listings", f"listing {asked.listing}"
        if not recent.any():
            there = ", ".join(sorted(set(whole.columns["listing"]))) or "none"
            raise ValueError(f"--listing: expected one of those imported ({there}), got {asked.listing!r}")
    if not (earlier.any() and recent.any()):
        dated = sum(day is not None for day in whole.days)
        raise ValueError(
            f"expected papers on both sides, got {earlier.sum()} ({names[0]}) and {recent.sum()} ({names[1]}); "
            f"of {len(whole)} papers {dated} have a date"
        )
    found = trends([*labelled_topics(whole), *found_groups(whole)], earlier, recent, asked.confidence)
    made = Digest(asked.title, whole, earlier, recent, *names, found, asked.confidence)
    mail = message(made, asked.sender, asked.to)  # first, as a bad address is refused here
    for suffix, content in ((".html", html(made).encode()), (".eml", mail)):
        Path(f"{asked.out}{suffix}").write_bytes(content)
    print(f"{asked.out}.eml, {asked.out}.html: {made.compared} {made.outcome}")
    for trend in made.grown:
        print(f"  {trend.topic.name}: {trend.before:.1%} -> {trend.now:.1%}")
    return 0


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError(f"{option}: expected {form}, got {text!r}")
    return name, value


def _weight(text: str) -> tuple[str, float]:
    if "=" not in text:
        return text, 1.0
    name, value = _pair(text, "--aspect", "NAME or NAME=WEIGHT")
    try:
        return name, float(value)
    except ValueError:
        raise ValueError(f"--aspect: expected a number as weight, got {value!r}") from None


if __name__ == "__main__":
    sys.exit(main())

"""The survey as one HTML page for readers without linear algebra: light and dark, on paper and on a phone."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from .labelled import LABELLED
from .measure import Measure, format_number
from .plots import figures

if TYPE_CHECKING:
    from .survey import Survey

_SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "How hard is search here?",
        "An approximate index finds most, not all, of the true nearest rows. These numbers say how much work it takes.",
        (
            "intrinsic_dimension_mle",
            "intrinsic_dimension_twonn",
            "local_intrinsic_dimension",
            "contrast",
            "hubness",
            "cluster_tendency",
            "order_sensitivity",
        ),
    ),
    (
        "How far can the vectors be compressed?",
        "Vectors rarely use all their dimensions alike. What is unused can be left out, which saves memory and time.",
        (
            "quantization_survival",
            "effective_rank",
            "participation_ratio",
            "real_directions",
            "isotropy",
            "feature_redundancy",
        ),
    ),
    (
        "What do similarities mean?",
        "A similarity of 0.5 is high in one space and nothing in another.",
        ("mean_cosine", "uniformity", "alignment", "dominant_directions", "norm_spread"),
    ),
    ("Is anything stored twice?", "", ("duplicates",)),
    (
        "Do the labels show in the space?",
        "If near rows share their label, search and simple classifiers work on these vectors as they are.",
        LABELLED,
    ),
    (
        "What do directions mean?",
        "Whether a difference between rows means the same everywhere, and whether groups lean to one side of a "
        "contrast.",
        ("association", "analogy"),
    ),
    (
        "Does the space hold the graph?",
        "Vectors of nodes stand for a graph as far as it can be rebuilt from them.",
        ("graph_reconstruction", "relation_offsets", "similarity_error"),
    ),
    (
        "Do the vectors treat tables as tables?",
        "The order of rows and columns means nothing in a table, names and samples little, shared values much.",
        (
            "row_order_invariance",
            "column_order_invariance",
            "join_correlation",
            "dependency_consistency",
            "sample_fidelity",
            "entity_stability",
            "schema_robustness",
            "context_stability",
        ),
    ),
)

_WHAT = {
    "intrinsic_dimension_mle": "In how many independent ways the data varies around a row, judged from its twenty "
    "nearest neighbours. A sheet of paper crumpled into a ball still has two. A curve that climbs or falls: the answer "
    "depends on how far around a row one looks.",
    "intrinsic_dimension_twonn": "The same, judged from the two nearest neighbours only: the finest scale. Lower than "
    "the number above means that rows come in tight little groups; higher means noise. The steeper the line, the more "
    "dimensions.",
    "local_intrinsic_dimension": "The same, for each row by itself. Rows on the right of the plot are the ones an "
    "index misses first.",
    "contrast": "How much nearer the nearest row is than a row picked at random. The further apart the two humps, the "
    "more a result means.",
    "hubness": "Whether a few rows crowd into everybody's results. 0 is even; a long tail to the right means hubs.",
    "cluster_tendency": "0.5 when the rows are one even cloud, towards 1 when they sit in tight groups with little "
    "between. The further left the hump of real rows is of the other, the tighter the groups.",
    "order_sensitivity": "Some indexes link each row to the ones before it. This is how much of the results hangs on "
    "the order in which the rows come.",
    "quantization_survival": "Which share of the true nearest rows is still found when every number is stored in fewer "
    "bits, or when fewer numbers are stored. Predicted from sampled queries; nothing was built.",
    "real_directions": "Directions in which the rows differ by more than random noise would make them differ.",
    "feature_redundancy": "How many of the numbers in a vector are left when those that say the same are counted once.",
    "uniformity": "How evenly the rows spread over all possible directions. The lower, the more room there is between "
    "them.",
    "alignment": "Whether rows that are known to belong together lie near each other. The further apart the two humps, "
    "the better.",
    "dominant_directions": "How much of the similarity between unrelated rows comes from the few strongest directions, "
    "whatever the rows are about.",
    "effective_rank": "Over how many directions the vectors spread. The curve shows how much of the differences "
    "between rows survives when only the strongest directions are kept.",
    "participation_ratio": "How many equally strong directions would spread the rows as much. The dashed block holds "
    "as much as the curve.",
    "isotropy": "1 when every direction is used equally, 0 when one direction holds everything. The further the first "
    "bars rise above the line, the more it is the few strongest that decide.",
    "mean_cosine": "The similarity of two rows that have nothing to do with each other. A similarity inside the hump "
    "says nothing yet.",
    "norm_spread": "Whether vectors differ in length: the standard deviation of the lengths over their mean.",
    "association": "How much nearer one group of words lies to one side of a contrast than another group does. Two "
    "humps apart mean that the space holds an association between them.",
    "analogy": "Of questions like man is to king as woman is to what, the share answered by adding and subtracting "
    "vectors. The bars go from rows at the front of the collection, in a vocabulary the usual words, to the last.",
    "duplicates": "The share of rows that have a copy, or a near copy, elsewhere in the collection: those in the "
    "marked strip at the left of the plot.",
    "neighbor_purity": "Of a row's nearest rows, how many have its label. Classes on the left of the plot are the ones "
    "search mixes up.",
    "class_separability": "How far apart the classes lie, against how widely each is scattered. The less the two humps "
    "overlap, the better one distance tells same from different.",
    "label_sharpness": "Over how short a way the label can change. The further left the hump begins, the less an "
    "encoder or a compressed code may err.",
    "manifold_capacity": "How little room the classes take up: the fewer dimensions suffice to sort them into any two "
    "groups, the more classes the space can hold. 2 is the most there can be.",
    "threshold_inconsistency": "Whether one cut-off distance works for every class. The wider the band in the plot, "
    "the more unevenly a fixed cut-off treats them; 0 is even.",
    "graph_reconstruction": "Whether the rows most like a node's are its neighbours in the graph. 1: they come first.",
    "relation_offsets": "Whether the step from one thing to another (a country to its capital) is the same for all "
    "pairs of one relation, so that it can be taken from elsewhere.",
    "row_order_invariance": "Whether a table with its rows shuffled gets the same vectors. 1: it does.",
    "column_order_invariance": "Whether a table with its columns shuffled gets the same vectors. 1: it does.",
    "join_correlation": "Whether columns with values in common have similar vectors: then search finds what to join.",
    "dependency_consistency": "Whether one column that decides another (country and continent) does so in the vectors.",
    "sample_fidelity": "Whether some of the rows are enough to embed a column.",
    "entity_stability": "Whether the same things have the same neighbours in both spaces.",
    "schema_robustness": "Whether a column with another name for the same thing keeps its vector.",
    "context_stability": "Whether a column has the same vector alone and beside the others of its table.",
    "similarity_error": "How far a cosine is from a similarity known otherwise.",
}

LEGEND = (
    "Each number comes with the range that holds the true value 19 times in 20, and a verdict: "
    '<span class="good">good</span> needs no thought, <span class="fair">fair</span> is usual and worth knowing, '
    '<span class="poor">poor</span> will cost quality, speed or memory.'
)

_FOOT = "open &ldquo;How it was measured&rdquo; for what each number rests on. Made by Nearfield."

_STYLE = """
:root { color-scheme: light dark; --page: #fbfaf7; --card: #ffffff; --ink: #22252a; --soft: #5b6270; --line: #d9d8d2;
  --first: #2f6fb3; --second: #d1762c; --good: #1d7a46; --fair: #8a6100; --poor: #b3261e; --unknown: #5b6270; }
@media (prefers-color-scheme: dark) { :root { --page: #16181c; --card: #1f2228; --ink: #e6e6e3; --soft: #a3a9b5;
  --line: #3a3f48; --first: #6aa9e9; --second: #e79a5b; --good: #6fcf97; --fair: #e2b64c; --poor: #f2877f;
  --unknown: #a3a9b5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .25rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .4rem 0; }
.soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; }
.summary { margin-top: 1rem; }
.summary dl { grid-template-columns: minmax(6rem, auto) 1fr; gap: .3rem 1rem; }
@media (max-width: 34rem) { .summary dl { grid-template-columns: 1fr; gap: 0; } .summary dd { margin-bottom: .5rem; } }
.summary a { color: inherit; text-decoration-color: var(--line); }
.summary ul { margin: .4rem 0 0; padding-left: 1.2rem; }
.cards { columns: 24rem 2; column-gap: 1rem; margin-top: 1rem; }
.cards .card { break-inside: avoid; margin-bottom: 1rem; }
.head { display: flex; gap: .75rem; justify-content: space-between; align-items: baseline; }
.value { font-size: 1.5rem; font-weight: 650; font-variant-numeric: tabular-nums; margin: .1rem 0 0; }
.value small { font-size: .85rem; font-weight: 400; color: var(--soft); white-space: nowrap; }
.verdict { font-size: .8rem; font-weight: 600; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .6rem;
  white-space: nowrap; }
.good { color: var(--good); } .fair { color: var(--fair); } .poor { color: var(--poor); }
.unknown { color: var(--unknown); }
svg { display: block; width: 100%; max-width: 30rem; height: auto; margin: .75rem auto 0; }
svg text { font-family: system-ui, sans-serif; }
details { margin-top: .6rem; font-size: .875rem; color: var(--soft); }
summary { cursor: pointer; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; margin: .4rem 0 0; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
footer { margin-top: 2.5rem; font-size: .875rem; color: var(--soft); }
@media print { details { display: none; } }
"""


def render(survey: Survey, title: str) -> str:
    """The page. Raises MissingExtraError without matplotlib."""
    plots = figures(survey.measures, survey.metric)
    facts = f"{survey.rows:,} vectors &middot; {survey.dim:,} dimensions &middot; metric: {escape(survey.metric)}"
    body = [
        *section("What to expect from search", survey.summary()),
        *_health(survey.measures),
        *_advised(survey.advice()),
        f'<p class="soft">{LEGEND}</p>',
        *_chapters(survey.measures, plots),
    ]
    footer = (
        f"Ranges are 95% intervals. Neighbours were looked up for {survey.sample:,} rows "
        f"(random state {survey.random_state}); {_FOOT}"
    )
    return page(title, facts, body, footer)


def save_measures(measures: Mapping[str, Measure], path: str | Path, *, title: str = "Measures") -> Path:
    """Write any measures as one HTML page with their plots; a survey writes its own by :meth:`Survey.save`.

    Parameters
    ----------
    measures : name -> :class:`Measure`, each under its own ``name``.
    path : the file to write; needs the extra ``nearfield[view]`` (matplotlib).
    title : heads the page.

    Examples
    --------
    >>> import tempfile
    >>> measure = Measure("hops", 0.5, 0.4, 0.6, "Half of the way.", title="Hops")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     "Half of the way." in save_measures({"hops": measure}, Path(folder) / "page.html").read_text()
    True
    """
    target = Path(path)
    target.write_text(render_measures(measures, title), encoding="utf-8")
    return target


def render_measures(measures: Mapping[str, Measure], title: str) -> str:
    """A page of any measures, by name. Raises MissingExtraError without matplotlib."""
    chapters = _chapters(measures, figures(measures, "cosine"))
    body = [*_health(measures), f'<p class="soft">{LEGEND}</p>', *chapters]
    return page(title, f"{len(measures)} measures", body, f"Ranges are 95% intervals; {_FOOT}")


def _chapters(measures: Mapping[str, Measure], plots: Mapping[str, str]) -> list[str]:
    """The cards, each under the question it answers; measures that no section names come last."""
    body: list[str] = []
    named = {member for _, _, wanted in _SECTIONS for member in wanted}
    rest = ("Further measures", "", tuple(name for name in measures if name not in named))
    for name, lead, wanted in (*_SECTIONS, rest):
        members = [one for one in wanted if one in measures]
        cards = [card(measures[one], plots.get(one, ""), _WHAT.get(one, "")) for one in members]
        if cards:
            body += chapter(name, lead, cards)
    return body


def page(title: str, facts: str, body: list[str], footer: str) -> str:
    """A whole page with one style; ``facts``, ``body`` and ``footer`` are HTML, ``title`` is text."""
    heading = escape(title)
    parts = [f"<h1>{heading}</h1>", f'<p class="soft">{facts}</p>', *body, f"<footer><p>{footer}</p></footer>"]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{heading}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


_HEADINGS = {"good": "Healthy", "fair": "Usual, worth knowing", "poor": "Not healthy", "unknown": "Not measurable"}


def _health(measures: Mapping[str, Measure]) -> list[str]:
    """What is healthy and what is not, with links."""
    body = ['<section class="card summary"><h3>What is healthy, what is not</h3><dl>']
    for verdict, heading in _HEADINGS.items():
        links = ", ".join(
            f'<a href="#{escape(m.name, quote=True)}">{escape(m.title or m.name)}</a>'
            for m in measures.values()
            if m.verdict == verdict
        )
        if links:
            body.append(f'<dt class="{verdict}">{heading}</dt><dd>{links}</dd>')
    return [*body, "</dl></section>"]


def _advised(lines: list[str]) -> list[str]:
    """What to do, and what it would gain."""
    advice = [f"<li>{escape(line)}</li>" for line in lines]
    said = ["<ul>", *advice, "</ul>"] if advice else ["<p>Nothing needs to be done.</p>"]
    return ['<section class="card summary"><h3>What to do, and what it would gain</h3>', *said, "</section>"]


def section(heading: str, lines: list[str]) -> list[str]:
    """The summary in a box of its own."""
    items = [f"<li>{escape(line)}</li>" for line in lines]
    return [f'<section class="card summary"><h3>{escape(heading)}</h3><ul>', *items, "</ul></section>"]


def chapter(name: str, lead: str, cards: list[str]) -> list[str]:
    """A heading, a sentence and the cards below it."""
    said = [f'<p class="soft">{escape(lead)}</p>'] if lead else []
    return [f"<h2>{escape(name)}</h2>", *said, '<div class="cards">', *cards, "</div>"]


def card(measure: Measure, plot: str, what: str, aside: str = "") -> str:
    """A measure with its plot, what it is, and how it was measured; ``aside`` is said below the value."""
    value = escape(measure.text()) if measure.known else "no value"
    interval = (
        f" <small>between {escape(measure.interval_text().replace(' to ', ' and '))}</small>" if measure.known else ""
    )
    parts = "".join(
        f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(format_number(number))}</dd>"
        for name, number in measure.parts.items()
    )
    beside = f'<p class="soft">{escape(aside)}</p>' if aside else ""
    return (
        f'<article class="card" id="{escape(measure.name, quote=True)}">'
        f'<div class="head"><h3>{escape(measure.title or measure.name)}</h3>'
        f'<span class="verdict {measure.verdict}">{measure.verdict}</span></div>'
        f'<p class="value">{value}{interval}</p>{beside}'
        f"<p>{escape(measure.meaning)}</p>"
        f'<p class="soft">{escape(what)}</p>{plot}'
        f"<details><summary>How it was measured</summary><p>{escape(measure.detail)}</p>"
        f"<p>Source: {escape(measure.source)}.</p>{f'<dl>{parts}</dl>' if parts else ''}</details></article>"
    )

"""The comparison as one HTML page for readers without linear algebra."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from .comparison_plots import comparison_figures
from .report import card, chapter, page, section

if TYPE_CHECKING:
    from .comparison import Comparison

_SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "Do the two agree?",
        "The same things were turned into vectors twice. If the two spaces agree, a search in either gives the same "
        "answers.",
        ("mutual_neighbors", "rank_biased_overlap", "cka", "canonical_correlation"),
    ),
    (
        "Can the one replace the other?",
        "A change of model makes stored vectors useless unless something carries over. These numbers say what does.",
        ("functional_equivalence", "compatibility", "head_equivalence", "procrustes_residual", "modality_gap"),
    ),
    (
        "Do single features mean the same?",
        "A vector is a row of numbers. If the numbers in one place mean the same in both spaces, whatever was learnt "
        "for single numbers carries over: ranges, names, cut-offs. Most models share what they say, not where they say "
        "it, so low values here are usual and harm no search.",
        ("matched_features", "predicted_features", "feature_groups"),
    ),
)

_WHAT = {
    "mutual_neighbors": "The same thing was asked in both spaces, and the two lists of results laid side by side.",
    "rank_biased_overlap": "The same, but the first places count most, as they do for somebody who reads from the top.",
    "cka": "Take two rows at random: are they as alike in the second space as in the first? The closer the dots lie to "
    "a line, the more the two agree.",
    "canonical_correlation": "How much of what the vectors say could be read out of the other space by the best "
    "possible weighting of its numbers, whether strong or faint.",
    "functional_equivalence": "A simple map (a table of weights) was learnt from some pairs. Mapped rows then searched "
    "the other space. The orange bars are what a new model's questions get from the vectors stored today.",
    "head_equivalence": "A simple classifier was taught on the second space, then given rows of the first, mapped.",
    "compatibility": "What is right is known here, so quality can be compared: with old queries, with new queries on "
    "the old vectors, and after everything is encoded again.",
    "procrustes_residual": "The first space is turned, shifted and stretched as a whole until it lies on the second as "
    "well as it can. What is left over is real difference. Lower is better here.",
    "modality_gap": "If the two were put into one index as they are: do they lie on top of each other, or apart?",
    "matched_features": "Each number's place in the first is matched with one place in the second.",
    "predicted_features": "How many numbers of the first must be added up to get one number of the second. A curve "
    "that is high at once: features are the same. One that climbs slowly: the same content, stirred.",
    "feature_groups": "Places are sorted into groups that go together in both spaces; each group then tries to tell "
    "what its partner group says.",
}

_LEGEND = (
    "Each number comes with the range that holds the true value 19 times in 20, what it would be if rows were paired "
    'at random, and a verdict: <span class="good">good</span> means that the two agree, <span class="fair">fair</span> '
    'that they agree in part, <span class="poor">poor</span> that they do not.'
)


def render(found: Comparison, title: str) -> str:
    """The page. Raises MissingExtraError without matplotlib."""
    from .comparison import chance_text

    plots = comparison_figures(found.measures)
    body = section("What it means", found.summary())
    body.append(f'<p class="soft">{_LEGEND}</p>')
    for name, lead, members in _SECTIONS:
        cards = []
        for member in members:
            if member in found.measures:
                chance = chance_text(found[member])
                aside = f"Rows paired at random: {chance}" if chance else ""
                cards.append(card(found[member], plots.get(member, ""), _WHAT[member], aside))
        body += chapter(name, lead, cards)
    ids = ", ".join(str(name) for name in found.least_alike())
    if found["mutual_neighbors"].known and ids:
        body += section("Worth a look", [f"Asked things whose results differ most: {ids}"])
    footer = (
        f"Ranges are 95% intervals. Results were compared for {found.sample:,} {found.asked} (random state "
        f"{found.random_state}); open &ldquo;How it was measured&rdquo; for what each number rests on. "
        "Made by Nearfield."
    )
    return page(title, escape(found.facts), body, footer)

"""The digest as an e-mail: HTML of tables and inline styles, and the same as plain text. No scripts, nothing loaded."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from html import escape

import numpy as np
from shelf import Whole
from trends import Trend

_SHOWN = 3  # papers a topic
_LISTED = 12  # papers at the end
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_INK, _SOFT, _PAPER, _LINE, _BAR, _TRACK = "#1d232b", "#5b6470", "#ffffff", "#dde1e6", "#2f6fd0", "#e6ebf2"
# Readers that know dark mode take these; to the others every colour is given in place, ink and paper together.
_DARK = """
:root{color-scheme:light dark;supported-color-schemes:light dark}
@media(prefers-color-scheme:dark){
.paper{background-color:#15191f!important}.ink{color:#e8ebef!important}.soft{color:#a3acb8!important}
.line{border-color:#343b45!important}.track{background-color:#2b323c!important}}
"""


@dataclass(frozen=True)
class Digest:
    """What there is to say: what is compared, and how every topic changed (as :func:`trends.trends` returns it)."""

    title: str
    whole: Whole
    earlier: np.ndarray
    recent: np.ndarray
    earlier_name: str
    recent_name: str
    trends: list[Trend]
    confidence: float = 0.95

    @property
    def grown(self) -> list[Trend]:
        """Topics that grew beyond what chance explains, the surest first."""
        return [trend for trend in self.trends if trend.low > 0]

    @property
    def shrunk(self) -> list[Trend]:
        """Topics that shrank beyond what chance explains, the surest first."""
        return sorted((trend for trend in self.trends if trend.high < 0), key=lambda trend: trend.high)

    @property
    def compared(self) -> str:
        """One sentence on what was compared."""
        return (
            f"{_papers(int(self.recent.sum()))} ({self.recent_name}) against {int(self.earlier.sum())} "
            f"({self.earlier_name}), in {len(self.trends)} topics."
        )

    @property
    def outcome(self) -> str:
        """One sentence on what came out."""
        if not self.grown:
            return "No topic has grown by more than chance explains."
        count = len(self.grown)
        return f"{count} topic{' has' if count == 1 else 's have'} grown by more than chance explains."

    @property
    def caution(self) -> str:
        """How the intervals are to be read."""
        return (
            f"Intervals hold for all topics together with {self.confidence:.0%} confidence. "
            "A topic whose interval holds zero may have grown, shrunk or neither: that is noise, and not shown."
        )

    @property
    def new(self) -> list[int]:
        """Rows of the recent papers for the list at the end, the newest first."""
        days = self.whole.days
        rows = [int(row) for row in np.flatnonzero(self.recent)]
        return sorted(rows, key=lambda row: (-(days[row].toordinal() if days[row] else 0), row))


def plain(digest: Digest) -> str:
    """The digest as text."""
    lines = [digest.title, "=" * min(len(digest.title), 72), "", digest.compared, digest.outcome, ""]
    for heading, found in (("GROWING", digest.grown), ("SHRINKING", digest.shrunk)):
        if found:
            lines += [heading, ""]
        for trend in found:
            lines += [f"{trend.topic.name} ({trend.topic.kind})", f"  {_change(trend)}"]
            if heading == "GROWING":
                lines += [f"  - {_titled(digest.whole, row)}" for row in trend.rows[:_SHOWN]]
            lines.append("")
    lines += ["NEW PAPERS", "", *(f"- {_titled(digest.whole, row)}" for row in digest.new[:_LISTED])]
    if len(digest.new) > _LISTED:
        lines.append(f"and {len(digest.new) - _LISTED} more")
    return "\n".join([*lines, "", digest.caution, ""])


def html(digest: Digest) -> str:
    """The digest as a page that mail programs show alike: one column of 600 pixels, light or dark."""
    rows = [
        _row(
            f'<h1 class="ink" style="margin:0;font-size:24px;line-height:1.25;color:{_INK}">{escape(digest.title)}</h1>'
        ),
        _row(_soft(digest.compared) + f'<p class="ink" style="margin:8px 0 0;color:{_INK}">{digest.outcome}</p>'),
    ]
    for heading, found in (("Growing", digest.grown), ("Shrinking", digest.shrunk)):
        if found:
            largest = max(max(trend.now, trend.before) for trend in found)
            rows += [
                _heading(heading),
                *(_topic(digest.whole, trend, largest, heading == "Growing") for trend in found),
            ]
    more = len(digest.new) - _LISTED
    rows += [
        _heading("New papers"),
        _row(
            "".join(_paper(digest.whole, row) for row in digest.new[:_LISTED])
            + (_soft(f"and {more} more") if more > 0 else "")
        ),
        _row(_soft(digest.caution), top=True),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        f"<title>{escape(digest.title)}</title><style>{_DARK}</style></head>\n"
        f'<body class="paper" style="margin:0;padding:0;background-color:{_PAPER}">'
        f'<table role="presentation" class="paper" width="100%" cellpadding="0" cellspacing="0" border="0" '
        f'style="background-color:{_PAPER}"><tr><td align="center" style="padding:24px 12px">\n'
        f'<table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0" '
        f'style="width:100%;max-width:600px;{_FONT};font-size:15px;line-height:1.5;text-align:left">\n'
        + "\n".join(rows)
        + "\n</table></td></tr></table></body></html>\n"
    )


def message(digest: Digest, sender: str, to: str) -> bytes:
    """The digest as an e-mail file: text for those who read text, HTML for the others."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = digest.title
    mail["From"] = sender
    mail["To"] = to
    mail["Date"] = localtime()
    mail["X-Unsent"] = "1"  # mail programs that know it open the file as a draft
    mail.set_content(plain(digest), cte="quoted-printable")
    mail.add_alternative(html(digest), subtype="html", cte="quoted-printable")
    return mail.as_bytes()


def _papers(count: int) -> str:
    return f"{count} paper{'' if count == 1 else 's'}"


def _change(trend: Trend) -> str:
    return (
        f"{trend.before:.1%} of papers before, {trend.now:.1%} now: "
        f"{100 * trend.change:+.1f} points ({100 * trend.low:+.1f} to {100 * trend.high:+.1f})"
    )


def _titled(whole: Whole, row: int) -> str:
    return whole.titles[row] + (f" <{whole.urls[row]}>" if whole.urls[row] else "")


def _row(inner: str, *, top: bool = False) -> str:
    line = f"border-top:1px solid {_LINE};" if top else ""
    return f'<tr><td class="line" style="{line}padding:10px 0">{inner}</td></tr>'


def _soft(text: str) -> str:
    return f'<p class="soft" style="margin:4px 0;font-size:13px;color:{_SOFT}">{escape(text)}</p>'


def _heading(text: str) -> str:
    return _row(f'<h2 class="ink" style="margin:10px 0 0;font-size:18px;color:{_INK}">{text}</h2>', top=True)


def _topic(whole: Whole, trend: Trend, largest: float, papers: bool) -> str:
    name = (
        f'<p class="ink" style="margin:0 0 6px;font-weight:600;color:{_INK}">{escape(trend.topic.name)} '
        f'<span class="soft" style="font-weight:400;color:{_SOFT}">{trend.topic.kind}</span></p>'
    )
    bars = "".join(_bar(said, part, largest) for said, part in (("before", trend.before), ("now", trend.now)))
    listed = "".join(_paper(whole, row) for row in trend.rows[:_SHOWN]) if papers else ""
    interval = f"{100 * trend.change:+.1f} points ({100 * trend.low:+.1f} to {100 * trend.high:+.1f})"
    table = f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">{bars}</table>'
    return _row(name + table + _soft(interval) + listed)


def _bar(said: str, part: float, largest: float) -> str:
    """A bar of two cells of a table, for mail programs draw nothing else reliably."""
    filled = round(100 * part / largest)
    cells = [(filled, f"background-color:{_BAR}", ""), (100 - filled, f"background-color:{_TRACK}", ' class="track"')]
    bar = "".join(
        f'<td{own} width="{width}%" style="{style};height:10px;font-size:1px;line-height:10px">&nbsp;</td>'
        for width, style, own in cells
        if width
    )
    text = f'class="soft" style="font-size:13px;color:{_SOFT}"'
    return (
        f'<tr><td width="56" {text}>{said}</td><td><table role="presentation" width="100%" cellpadding="0" '
        f'cellspacing="0" border="0"><tr>{bar}</tr></table></td>'
        f'<td width="56" align="right" {text}>{part:.1%}</td></tr>'
    )


def _paper(whole: Whole, row: int) -> str:
    title, url = escape(whole.titles[row]), whole.urls[row]
    if url:
        title = f'<a class="ink" href="{escape(url)}" style="color:{_INK}">{title}</a>'
    return f'<p class="ink" style="margin:4px 0 4px 12px;font-size:14px;color:{_INK}">{title}</p>'

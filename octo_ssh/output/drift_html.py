"""A check for drift as one page that needs nothing else: no request, no script to be read, nothing but data in it.

The template lies in ``drift_page`` with its style and its script. Everything that a target, a package or a plan says is
cleaned, escaped, and kept from steering the direction of the text around it; a content security policy in the page
allows its own few lines of script by their sum, and no request at all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from octo_ssh import __version__
from octo_ssh.model.drift import DriftReport
from octo_ssh.output.drift_history import PastCheck
from octo_ssh.output.drift_model import page_of
from octo_ssh.output.drift_words import about, verdict
from octo_ssh.output.text import clean
from octo_ssh.output.words import duration

if TYPE_CHECKING:
    from jinja2 import Template

TREND_CHECKS = 60
"""As many past checks as fit beside each other."""
_HEIGHT = 100.0
_STRIDE = 12.0
_BAR = 8.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A past check in the trend, in the units of its drawing."""

    x: float
    width: float
    drifted_y: float
    drifted: float
    """A height."""
    unknown_y: float
    unknown: float
    title: str


@dataclass(frozen=True, slots=True)
class Trend:
    """How many targets had drifted, check by check."""

    bars: tuple[Bar, ...]
    width: float
    height: float
    top: int
    """The count that the whole height stands for."""
    first: str
    last: str
    summary: str
    checks: tuple[PastCheck, ...]
    times: tuple[str, ...]


def report_html(report: DriftReport, trend: Sequence[PastCheck] = ()) -> str:
    """The page. ``trend``: past checks, the latest last, this one among them; empty where nothing is remembered."""
    text: str = _template().render(
        title=about(report.project, report.environment),
        verdict=verdict(report),
        at=report.at,
        when=moment_words(report.at),
        took=duration(report.seconds) if report.seconds else "",
        page=page_of(report),
        trend=_trend(trend[-TREND_CHECKS:]) if len(trend) > 1 else None,
        version=__version__,
        **_parts(),
    )
    return text


def moment_words(at: str) -> str:
    """``24 November 2026, 02:00 UTC``; what is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return at
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _trend(checks: Sequence[PastCheck]) -> Trend:
    top = max(1, *(check.drifted + check.unknown for check in checks))
    bars = tuple(_bar(number, check, _HEIGHT / top) for number, check in enumerate(checks))
    return Trend(
        bars=bars,
        width=max(len(bars), 14) * _STRIDE,
        height=_HEIGHT,
        top=top,
        first=moment_words(checks[0].at),
        last=moment_words(checks[-1].at),
        summary=f"{len(checks):,} checks: {_range_words([check.drifted for check in checks])}",
        checks=tuple(reversed(checks)),
        times=tuple(moment_words(check.at) for check in reversed(checks)),
    )


def _range_words(drifted: Sequence[int]) -> str:
    low, high = min(drifted), max(drifted)
    if not high:
        return "no drift in any"
    return f"{low:,} to {high:,} targets with drift, now {drifted[-1]:,}"


def _bar(number: int, check: PastCheck, unit: float) -> Bar:
    drifted, unknown = check.drifted * unit, check.unknown * unit
    return Bar(
        x=number * _STRIDE + (_STRIDE - _BAR) / 2,
        width=_BAR,
        drifted_y=round(_HEIGHT - drifted, 2),
        drifted=round(drifted, 2),
        unknown_y=round(_HEIGHT - drifted - unknown, 2),
        unknown=round(unknown, 2),
        title=f"{moment_words(check.at)}: {check.drifted:,} drifted, {check.unknown:,} unknown of {check.targets:,}",
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(  # everything is escaped, and cleaned first
        autoescape=True, finalize=_finalized, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_file("page.html.j2"))


def _finalized(value: Any) -> Any:
    """Every text is cleaned; only what is markup already, the style and the script, stays as it is."""
    return clean(value) if type(value) is str else value


@cache
def _parts() -> dict[str, Any]:
    """The style, the script and its sum for the content security policy."""
    from markupsafe import Markup

    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"style": Markup(_file("page.css")), "script": Markup(script), "script_sha256": digest}


def _file(name: str) -> str:
    return files("octo_ssh.output").joinpath("drift_page", name).read_text("utf-8")

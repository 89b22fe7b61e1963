"""``--notify``: telling people of drift, through apprise. What is new, gone or accepted; on demand all that is not
in sync.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from octo_ssh.errors import UsageError
from octo_ssh.model.drift import DriftReport, Finding, State
from octo_ssh.output.drift_counts import last_line
from octo_ssh.output.drift_history import findings_of
from octo_ssh.output.drift_sentences import sentence
from octo_ssh.output.drift_told import News
from octo_ssh.output.drift_words import about, folded, verdict, whose
from octo_ssh.output.text import clean_line
from octo_ssh.output.words import amount, cut

if TYPE_CHECKING:
    from apprise import Apprise

_LINES = 10
"""Of what is new, of what is gone, …"""
_WIDTH = 200
_LEAST_SECRET = 4
"""Shorter parts of an address hide nothing."""


def addresses(words: Sequence[str]) -> tuple[str, ...]:
    """Where to send to: apprise's URLs, and files with one a line, ``#`` for comments, for a URL may hold a password.

    Raises UsageError for a file that cannot be read and for what apprise does not know; it never quotes an address.
    """
    found = [url for word in words for url in ([word] if "://" in word else _lines(word))]
    with _apprise() as (make, _):
        for number, url in enumerate(found, 1):
            if not make().add(url):
                raise UsageError(
                    f"address {number} of --notify is none that can be notified: {_scheme(url)}",
                    hint="it must be an apprise URL: mailto://…, slack://…, json://host/path, …",
                )
    return tuple(found)


def notify(urls: Sequence[str], report: DriftReport, news: News, *, always: bool, report_file: str = "") -> list[str]:
    """Tell ``urls`` the news; with ``always`` also whenever something is not in sync, and then what is still there.

    Takes addresses that ``addresses`` gave. Gives back what could not be delivered, in sentences. Blocks while it
    sends, some seconds at most for each address.
    """
    is_amiss = any(target.state in (State.DRIFTED, State.UNKNOWN) for target in report.targets)
    if not (news or (always and is_amiss)):
        return []
    title, body = title_of(report, news), body_of(report, news, report_file, names_all=always)
    with _apprise() as (make, reasons):
        return [problem for url in urls if (problem := _send(make(), url, title, body, reasons))]


def title_of(report: DriftReport, news: News) -> str:
    """``shop in production: 2 new, 1 gone``."""
    counted = ((news.new, "new"), (news.gone, "gone"), (news.accepted, "accepted"))
    said = [f"{len(rows):,} {word}" for rows, word in counted if rows]
    return f"Drift: {about(report.project, report.environment)}: {', '.join(said) or verdict(report)}"


def body_of(report: DriftReport, news: News, report_file: str = "", *, names_all: bool = False) -> str:
    """Short plain text: how it stands, what is new, what is gone, what is still there (its number, or its names), where
    to read on.
    """
    lines = [f"{verdict(report)}.", last_line(report)]
    lines += _section("New:", news.new)
    lines += _section("Gone:", news.gone)
    lines += _section("Accepted by apply, and there still:", news.accepted)
    told = {(target, finding.key) for target, finding in news.new}
    found = [(target.target, finding) for target in report.targets for finding in findings_of(target)]
    still = [(target, finding) for target, finding in found if (target, finding.key) not in told]
    if names_all:
        lines += _section("Still there:", still)
    elif still:
        lines += ["", f"Still there: {amount(len(still), 'finding')}."]
    if unseen := [target for target in report.targets if target.unreachable]:
        lines += ["", "Not looked at:"]
        rows = [f"{clean_line(target.target)}: {clean_line(target.unreachable)}" for target in unseen]
        lines += _bounded(rows)
    if report_file:
        lines += ["", f"Report: {clean_line(os.path.abspath(report_file))} on {clean_line(os.uname().nodename)}"]
    return "\n".join(lines)


def _section(title: str, pairs: Sequence[tuple[str, Finding]]) -> list[str]:
    rows = [f"{whose(row.targets)}: {sentence(row.finding)}" for row in folded(pairs)]
    return ["", title, *_bounded(rows)] if rows else []


def _bounded(rows: Sequence[str]) -> list[str]:
    lines = [f"- {cut(row, _WIDTH)}" for row in rows[:_LINES]]
    return [*lines, f"- and {len(rows) - _LINES:,} more"] if len(rows) > _LINES else lines


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(
            f"--notify: {path!r} is no URL, and no file with URLs: {why}",
            hint="write --notify json://host/path, or name a file with a URL a line",
        ) from None
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise UsageError(f"--notify: there is no URL in {path!r}")
    return found


def _scheme(url: str) -> str:
    scheme, _, _ = url.partition("://")
    return f"{clean_line(scheme)}://…"


def _send(sender: Apprise, url: str, title: str, body: str, reasons: _Reasons) -> str:
    """Why it could not be delivered; empty: it was."""
    from apprise import NotifyFormat

    reasons.said.clear()
    if not sender.add(url):
        return f"no notification to {_scheme(url)}: apprise does not know it"
    if sender.notify(body=body, title=title, body_format=NotifyFormat.TEXT):
        return ""
    shown = _shown(sender)
    why = next((said for said in reversed(reasons.said) if not _tells_a_part(said, url, shown)), "")
    return f"no notification to {shown}" + (f": {why}" if why else "")


def _shown(sender: Apprise) -> str:
    """An address without what may be a password or a token."""
    masked: str = sender[0].url(privacy=True)  # type: ignore[no-untyped-call]
    scheme, _, rest = masked.partition("://")
    host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    return clean_line(f"{scheme}://{host}")


def _tells_a_part(said: str, url: str, shown: str) -> bool:
    """Whether a reason quotes of an address what may be a password or a token: all but what is shown of it anyway, for
    with many services the host is a token, too.
    """
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    values = [value for pair in parts.query.split("&") for value in pair.partition("=")[::2]]
    pieces = [*user.split(":"), *host.split(":"), *parts.path.split("/"), *values]
    secret = [piece for piece in pieces if len(piece) >= _LEAST_SECRET and piece.lower() not in shown.lower()]
    told = said.lower()
    return any(piece.lower() in told or unquote(piece).lower() in told for piece in secret)


class _Reasons(logging.Handler):
    """What apprise says of a failure; otherwise it would come up on standard error."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(clean_line(record.getMessage()))


@contextmanager
def _apprise() -> Iterator[tuple[Callable[[], Apprise], _Reasons]]:
    """A maker of senders; apprise is loaded now, for it takes a while, and is heard while this lasts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of modules that apprise loads
        import apprise

        asset = apprise.AppriseAsset(app_id="octo-ssh", app_desc="octo-ssh", app_url="")
        reasons, logger = _Reasons(), logging.getLogger("apprise")
        propagates, logger.propagate = logger.propagate, False
        logger.addHandler(reasons)
        try:
            yield (lambda: apprise.Apprise(asset=asset)), reasons
        finally:
            logger.removeHandler(reasons)
            logger.propagate = propagates

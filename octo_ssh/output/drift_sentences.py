"""A finding in plain words: what it is about, what is the matter, how it was and how it is."""

from __future__ import annotations

from typing import assert_never

from octo_ssh.model.drift import Expected, Finding, FindingKind
from octo_ssh.output.text import clean_line

_GONE = "gone"
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_ESCAPED_BYTES = range(0xDC80, 0xDD00)


def name_words(text: str) -> str:
    """A name from a target as one line that nothing can be hidden in: an odd one is quoted, as ``"a\\nb"``."""
    if not text or (text.isprintable() and text == " ".join(text.split())):
        return text
    return f'"{"".join(map(_escaped, text))}"'


def sentence(finding: Finding) -> str:
    """``etc/app.conf mode 0644 → 0600``, ``shop.service is disabled, was enabled``."""
    what, was, now = (name_words(text) for text in (finding.subject, finding.was, finding.now))
    return _said(finding, what, was, now).strip()


def _said(finding: Finding, what: str, was: str, now: str) -> str:
    change = _change(was, now)
    after, reason = _after(change), _after(now)
    match finding.kind:
        case FindingKind.CONTENT:
            return f"{what} changed{after}"
        case FindingKind.KIND:
            return f"{what} is of another kind{after}"
        case FindingKind.MODE | FindingKind.OWNER:
            return f"{what} {finding.kind.value} {change or 'changed'}"
        case FindingKind.LINK:
            return f"{what} leads elsewhere{after}"
        case FindingKind.MISSING:
            return f"{what} missing{_unless_file(was)}"
        case FindingKind.EXTRA:
            return f"{what} extra{_unless_file(now)}"
        case FindingKind.CURRENT:
            return f"{what} is another release{after}" if now not in ("", _GONE) else f"{what} is gone{_before(was)}"
        case FindingKind.SHARED:
            return f"{what} is shared no more{reason}"
        case FindingKind.MANIFEST:
            return f"manifest changed: {what} {change}"
        case FindingKind.STATE | FindingKind.ENABLED:
            return f"{what} is {now}{_before(was)}" if now else f"{what} is not as it was left{_before(was)}"
        case FindingKind.MASKED:
            return f"{what} is masked"
        case FindingKind.UNIT:
            return f"{what} unit files changed{f' (now {now})' if now not in ('', 'changed') else ''}"
        case FindingKind.OLD_RELEASE:
            return f"{what} still runs {now}, not {was}" if was and now else f"{what} still runs an old release{after}"
        case FindingKind.UNLESS:
            return f"{what} is undone{reason}"
        case FindingKind.OWED:
            return f"{what} was never seen to be done{reason}"
        case FindingKind.CHECK:
            return f"{what} does not pass{reason}"
        case FindingKind.HOST_KEY:
            return clean_line(finding.now) if now else "host key changed"
        case _:
            assert_never(finding.kind)


def _change(was: str, now: str) -> str:
    if was and now:
        return f"{was} → {now}"
    return f"was {was}" if was else now


def _after(text: str) -> str:
    return f": {text}" if text else ""


def _before(was: str) -> str:
    return f", was {was}" if was else ""


def _unless_file(kind: str) -> str:
    """A folder stands for all that is in it, so it is told that it is one."""
    return f" ({kind})" if kind not in ("", "file") else ""


def entry_words(entry: Expected) -> str:
    """An entry of ``drift.ignore``: ``var/cache/** (the app writes here)``."""
    step = f" of {name_words(entry.step)}" if entry.step else ""
    return f"{name_words(entry.path)}{step} ({clean_line(entry.reason)})"


def _escaped(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if ord(char) in _ESCAPED_BYTES:  # a byte of a name that is no UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char if char.isprintable() else char.encode("unicode_escape").decode()

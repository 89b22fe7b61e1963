"""A finding in plain words: what it is about, what is the matter, how it was and how it is."""

from __future__ import annotations

from typing import assert_never

from octo_ssh.model.drift import Expected, Finding, FindingKind
from octo_ssh.output.text import clean_line

_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_ESCAPED_BYTES = range(0xDC80, 0xDD00)


def name_words(text: str) -> str:
    """A name from a target as one line that nothing can be hidden in: an odd one is quoted, as ``"a\\nb"``."""
    if not text or (text.isprintable() and text == " ".join(text.split())):
        return text
    return f'"{"".join(map(_escaped, text))}"'


def sentence(finding: Finding) -> str:
    """``etc/app.conf mode 0644 → 0600``, ``shop.service is disabled, not enabled``."""
    what, was, now = (name_words(text) for text in (finding.subject, finding.was, finding.now))
    return _said(finding.kind, what, was, now).strip()


def _said(kind: FindingKind, what: str, was: str, now: str) -> str:
    change = _change(was, now)
    after = f": {change}" if change else ""
    match kind:
        case FindingKind.CONTENT:
            return f"{what} changed{after}"
        case FindingKind.KIND:
            return f"{what} is of another kind{after}"
        case FindingKind.MODE | FindingKind.OWNER:
            return f"{what} {kind.value} {change or 'changed'}"
        case FindingKind.LINK:
            return f"{what} leads elsewhere{after}"
        case FindingKind.MISSING | FindingKind.EXTRA:
            return f"{what} {kind.value}"
        case FindingKind.CURRENT:
            return f"{what} is gone{after}" if not now else f"{what} is another release{after}"
        case FindingKind.SHARED:
            return f"{what} is shared no more{after}"
        case FindingKind.MANIFEST:
            return f"manifest changed: {what} {change}" if change else f"manifest changed: {what}"
        case FindingKind.STATE | FindingKind.ENABLED:
            return f"{what} is {now}, not {was}" if was and now else f"{what} is not as it should be{after}"
        case FindingKind.MASKED:
            return f"{what} is masked"
        case FindingKind.UNIT:
            return f"{what} unit files changed{after}"
        case FindingKind.OLD_RELEASE:
            return f"{what} still runs {now}, not {was}" if was and now else f"{what} still runs an old release{after}"
        case FindingKind.UNLESS:
            return f"{what} is not so any more{after}" if what else f"not so any more{after}"
        case FindingKind.OWED:
            return f"{what} is owed: it was never seen to be done"
        case FindingKind.CHECK:
            return f"{what} does not pass{after}" if what else f"does not pass{after}"
        case FindingKind.HOST_KEY:
            return f"host key changed{after}"
        case _:
            assert_never(kind)


def _change(was: str, now: str) -> str:
    if was and now:
        return f"{was} → {now}"
    return f"was {was}" if was else now


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

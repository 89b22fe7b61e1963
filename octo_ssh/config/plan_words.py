"""Single words of a plan's steps: paths on a target, modes, dates, names of users and units (SPEC section 4).

``…_problem`` says what is wrong with a text, or None: for what stands in the file, and for what a template gives.
"""

from __future__ import annotations

import re
from datetime import date

from octo_ssh.config.document import Node, Scalar
from octo_ssh.config.values import BadValue, plain_text

_URL = re.compile(r"https?://[^\s/]")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")
_OWNER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?|[0-9]{1,10}")
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*")
_MODE = re.compile(r"0?[0-7]{3,4}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MAX_PATH = 4096
_MAX_REASON = 200
_MAX_UNIT = 255


def is_http_url(text: str) -> bool:
    """Whether a text is a URL that can be asked."""
    return _URL.match(text) is not None


def is_user(text: str) -> bool:
    """Whether a text can be the name of a user."""
    return _USER.fullmatch(text) is not None


def place_problem(path: str) -> str | None:
    """What keeps a path from being a package's ``to``; None: nothing."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or parts in ([], ["~"]) or not path.isprintable() or (path[:1] == "~" and path[1:2] != "/"):
        return "'to' must be a folder of its own: absolute, or in the home (~/…), without '..'"
    return None


def file_problem(path: str) -> str | None:
    """What keeps a path from being that of a ``file`` step; None: nothing."""
    parts = path.split("/")
    rooted = path.startswith(("/", "~/")) and path.strip("/~")
    if not rooted or ".." in parts or parts[-1] in ("", ".") or not path.isprintable() or len(path) > _MAX_PATH:
        return "'file' must be the path of a file: absolute, or in the home (~/…), without '..'"
    return None


def owner_problem(name: str, key: str) -> str | None:
    """What keeps a text from being an ``owner`` or a ``group`` (``key``); None: nothing."""
    noun = "user" if key == "owner" else "group"
    return None if _OWNER.fullmatch(name) else f"'{key}' must be the name or the number of a {noun}"


def unit_problem(name: str) -> str | None:
    """What keeps a text from being a ``service``; None: nothing."""
    if not _UNIT.fullmatch(name) or len(name) > _MAX_UNIT:
        return "'service' must be the name of a systemd unit: shop, shop.service or shop@1.service"
    return None


def inner_problem(path: str) -> str | None:
    """What keeps a path from being one inside a package; None: nothing. The key's name is to stand before it."""
    parts = path.rstrip("/").split("/")
    if path.startswith(("/", "~")) or any(part in ("", ".", "..") for part in parts) or not path.isprintable():
        return "must be a path inside the package: relative, without '.', '..' or '//'"
    return None


def drift_path(node: Node) -> str:
    """A path of ``drift.ignore``: a pattern inside a package, or the absolute path of a file."""
    path = plain_text(node)
    if not path.startswith("/"):
        if inner_problem(path) is not None:
            where = "relative and inside a package, var/cache/**, or the absolute path of a file step"
            raise BadValue(f"must be {where}, without '.' and '..'")
    elif file_problem(path) is not None:
        raise BadValue("must be that of a file, without '.' and '..': /etc/shop.conf")
    return path


def drift_reason(node: Node) -> str:
    """Why something may differ: one line."""
    reason = plain_text(node)
    if len(reason) > _MAX_REASON or not reason.isprintable():
        raise BadValue(f"must be one line of at most {_MAX_REASON} printable characters: shorten it")
    return reason


def day(node: Node) -> date:
    """A day of the calendar: ``2027-03-01``."""
    match node:
        case Scalar(value=str(text)) if _DAY.fullmatch(text.strip()):
            try:
                return date.fromisoformat(text.strip())
            except ValueError:
                raise BadValue(f"must be a day of the calendar, and '{text.strip()}' is none: correct it") from None
        case _:
            raise BadValue("must be a date, which holds until its end in UTC: 2027-03-01")


def file_mode(node: Node) -> int:
    """A file's mode, from its octal digits: ``"0644"``."""
    match node:
        case Scalar(value=bool() | None):
            pass
        case Scalar(value=int() | float(), text=text):
            digits = text.removeprefix("0o")
            shown = digits if _MODE.fullmatch(digits) else "644"
            raise BadValue(f'must be a string of octal digits: quote it, "{shown.zfill(4)}"')
        case Scalar(value=str(text)) if _MODE.fullmatch(text):
            mode = int(text, 8)
            if mode > 0o1777:
                raise BadValue(
                    "must not set the user or the group of who runs the file: leave set-uid and set-gid away"
                )
            return mode
    raise BadValue('must be three or four octal digits in quotes: "0644"')


def number(node: Node) -> float:
    """A number, whole or not."""
    match node:
        case Scalar(value=bool()):
            pass
        case Scalar(value=int() | float() as value):
            return float(value)
    raise BadValue("must be a number: 2 or 1.5")

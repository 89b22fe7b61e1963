"""Makes a file as it should be, or removes it: ``file.sh``, ``file_remove.sh`` (SPEC section 4)."""

from __future__ import annotations

import re
import secrets

from octo_ssh.errors import RemoteError
from octo_ssh.model.observed import FileKind, FileSeen
from octo_ssh.model.program import Acting, FileInput, Input, Reply
from octo_ssh.model.values import Secret
from octo_ssh.remote import replies, words
from octo_ssh.remote.resources import parse_file
from octo_ssh.remote.source import body

_PERSON = re.compile(r"[^:\0\n]+")
_MAX_NAME_BYTES = 200
"""Of a file's name within the name of the folder beside it: names end at 255 bytes."""


def put_file(
    path: str,
    *,
    content: Secret | bytes | FileInput | None,
    size: int,
    sha256: str,
    mode: int | None,
    new_mode: int,
    owner: str | None,
    group: str | None,
    parents: bool,
    expect: FileSeen | None,
) -> Acting[FileSeen]:
    """Replace the file at once or not at all, and tell what is there afterwards.

    ``content`` None: its content stays, only mode and owner are set, in place; ``size`` and ``sha256`` (which may be
    empty then) say nothing. ``mode``, ``owner``, ``group`` None: the old file's, or ``new_mode`` for a new one.
    ``parents``: missing folders are made (0755). ``expect``: what was there when it was decided; another kind is
    refused, but for a file that holds the content already, and so is everything but a file. Raises RemoteError, also
    where afterwards something else is there.
    """
    token = secrets.token_hex(4)
    pieces: tuple[Input, ...] = () if content is None else (content,)

    def parse(reply: Reply) -> FileSeen:
        seen = _seen(reply)
        _check(seen, sha256 if content is not None else "", mode, owner, group)
        return seen

    return Acting(
        name="writing a file",
        body=body("seen", "file"),
        words=(
            path,
            token,
            _short_name(path),
            "0" if content is None else "1",
            str(size),
            words.digest(sha256) if content is not None else "",
            "" if mode is None else f"{mode:04o}",
            f"{new_mode:04o}",
            _person(owner, "owner"),
            _person(group, "group"),
            "1" if parents else "0",
            _expected(expect),
        ),
        parse=parse,
        input=pieces,
        repeatable=True,
    )


def remove_file(path: str, *, expect: FileSeen | None) -> Acting[FileSeen]:
    """Remove a regular file, and tell what is there afterwards. One that is gone already is fine."""
    return Acting(
        name="removing a file",
        body=body("seen", "file_remove"),
        words=(path, _expected(expect)),
        parse=_removed,
        repeatable=True,
    )


def _seen(reply: Reply) -> FileSeen:
    groups = list(replies.groups(replies.checked(reply), "file"))
    if len(groups) != 1:
        raise ValueError("the reply does not tell what is there now")
    return parse_file(groups[0])


def _removed(reply: Reply) -> FileSeen:
    seen = _seen(reply)
    if seen.kind is not FileKind.ABSENT:
        raise RemoteError(f"{seen.path} was removed, and is there again: somebody else is at work there")
    return seen


def _check(seen: FileSeen, sha256: str, mode: int | None, owner: str | None, group: str | None) -> None:
    """What was asked for is what is there. Raises RemoteError."""
    wrong = ""
    if seen.kind is not FileKind.FILE and not (seen.kind is FileKind.UNREADABLE and seen.owner):
        wrong = f"it is now: {seen.kind.value}"
    elif seen.kind is FileKind.FILE and sha256 and seen.sha256 != sha256:
        wrong = "it holds something else"
    elif mode is not None and seen.mode != mode:
        wrong = f"its mode is {seen.mode:04o} instead of {mode:04o}"
    elif owner not in (None, seen.owner, str(seen.uid)):
        wrong = f"it belongs to {seen.owner} instead of {owner}"
    elif group not in (None, seen.group, str(seen.gid)):
        wrong = f"its group is {seen.group} instead of {group}"
    if wrong:
        raise RemoteError(
            f"{seen.path} was written, and {wrong}: somebody else, or its file system, will not have it so"
        )


def _expected(expect: FileSeen | None) -> str:
    """As the program says kinds: it does not try to read the file."""
    return "" if expect is None or expect.kind is FileKind.UNREADABLE else expect.kind.value


def _person(name: str | None, what: str) -> str:
    if name is not None and not _PERSON.fullmatch(name):
        raise RemoteError(f"{name!r} cannot be the {what} of a file")
    return name or ""


def _short_name(path: str) -> str:
    """The last name of the path, cut so that more can be added to it."""
    name = next((part for part in reversed(path.split("/")) if part not in ("", ".")), "")
    while len(name.encode("utf-8", "surrogateescape")) > _MAX_NAME_BYTES:
        name = name[:-1]
    return name

"""ssh_config files as lines: tokens, quoting, comments, Include. Says nothing about what an option means.

Why a reader of its own: ``ssh -G`` costs a process for every target, needs the client to be installed, and cannot tell
a value from a default, which the order "target, ssh_config, defaults" needs. asyncssh's own reader includes files in
no fixed order, refuses trailing comments and times like ``1m``, and does not expand tokens in ``Match exec``. The
tests compare this reader with ``ssh -G``.
"""

from __future__ import annotations

import glob
import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from octo_ssh.errors import Position

SYSTEM_CONFIG = "/etc/ssh/ssh_config"
MAX_DEPTH = 16

_RAW = {"proxycommand", "localcommand", "remotecommand", "knownhostscommand"}
_SPACE = " \t\r\f\v"


class ConfigMistake(ValueError):
    """An ssh_config that cannot be used; the message starts with its place."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(f"{position.file}:{position.line}: {message}" if position.line else str(message))


@dataclass(frozen=True, slots=True)
class ConfigLine:
    """One line: the keyword in lower case and its arguments."""

    position: Position
    keyword: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file to read: whose rules for relative includes and permissions hold."""

    path: str
    is_users: bool
    """The user's own: relative includes start in ``~/.ssh``, else in ``/etc/ssh``."""
    check_mode: bool = False
    must_exist: bool = False


def config_files(choice: str | None) -> tuple[ConfigFile, ...]:
    """What is read, first match first: ``None`` the user's and the system's, ``none`` nothing, else that one file."""
    if choice is None:
        users = os.path.expanduser("~/.ssh/config")
        return ConfigFile(users, is_users=True, check_mode=True), ConfigFile(SYSTEM_CONFIG, is_users=False)
    if choice.lower() == "none":
        return ()
    return (ConfigFile(os.path.expanduser(choice), is_users=True, must_exist=True),)


def read_lines(file: ConfigFile) -> tuple[ConfigLine, ...]:
    """The lines of a file; none when it is not there and need not be. Raises ConfigMistake."""
    try:
        found = os.stat(file.path)
        if file.check_mode and (found.st_mode & 0o022 or found.st_uid not in (0, os.getuid())):
            raise ConfigMistake(
                Position(file.path),
                f"{file.path} may be written by others (mode {stat.S_IMODE(found.st_mode):04o}): chmod 600 {file.path}",
            )
        return _lines_of(file.path, found.st_mtime_ns, found.st_size)
    except (FileNotFoundError, NotADirectoryError):
        if file.must_exist:
            raise ConfigMistake(Position(file.path), f"the ssh_config {file.path} is not there") from None
        return ()
    except OSError as error:
        raise ConfigMistake(Position(file.path), f"{file.path} cannot be read: {error.strerror}") from None


def included(file: ConfigFile, pattern: str) -> list[ConfigFile]:
    """The files an Include pattern stands for, in the order of their names."""
    if pattern.startswith("~"):
        pattern = os.path.expanduser(pattern)
    elif not os.path.isabs(pattern):
        pattern = os.path.join(os.path.expanduser("~/.ssh") if file.is_users else "/etc/ssh", pattern)
    return [ConfigFile(path, file.is_users, file.check_mode) for path in sorted(glob.glob(pattern))]


def split_words(text: str, position: Position) -> tuple[str, ...]:
    """Words as OpenSSH splits them: single and double quotes, backslash escapes, ``#`` starts a comment."""
    words: list[str] = []
    at, end = 0, len(text)
    while True:
        while at < end and text[at] in _SPACE:
            at += 1
        if at >= end or text[at] == "#":
            return tuple(words)
        word, quote = "", ""
        while at < end and (quote or text[at] not in _SPACE):
            char = text[at]
            if char == "\\" and at + 1 < end and (text[at + 1] in "'\"\\" or (not quote and text[at + 1] == " ")):
                at += 1
                word += text[at]
            elif not quote and char in "'\"":
                quote = char
            elif char == quote:
                quote = ""
            else:
                word += char
            at += 1
        if quote:
            raise ConfigMistake(position, "a quote is opened and not closed")
        words.append(word)


@lru_cache(maxsize=256)
def _lines_of(path: str, _mtime_ns: int, _size: int) -> tuple[ConfigLine, ...]:
    lines = []
    for number, text in enumerate(Path(path).read_text("utf-8", "surrogateescape").split("\n"), 1):
        if (line := _parse_line(text, Position(path, number, 1))) is not None:
            lines.append(line)
    return tuple(lines)


def _parse_line(text: str, position: Position) -> ConfigLine | None:
    text = text.strip(_SPACE)
    if not text or text.startswith("#"):
        return None
    length = next((at for at, char in enumerate(text) if char in _SPACE + "="), len(text))
    keyword = text[:length].strip('"').lower()
    rest = text[length:].lstrip(_SPACE)
    rest = rest.removeprefix("=").lstrip(_SPACE)
    if keyword in _RAW:
        return ConfigLine(position, keyword, (rest,) if rest else ())
    return ConfigLine(position, keyword, split_words(rest, position))

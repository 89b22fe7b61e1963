"""Reading the files beside a plan that its steps name: scripts, templates, files to copy (SPEC sections 2 and 4)."""

from __future__ import annotations

import os
import stat

from octo_ssh.config.document import read_bytes
from octo_ssh.config.problems import Problems
from octo_ssh.config.values import beside
from octo_ssh.errors import Position

MAX_FILE_BYTES = 1 << 20
"""Of a script or a template."""


def read_script(word: str, at: Position, problems: Problems) -> tuple[str, str]:
    """The path and the text of a script that is named at ``at``; every mistake is added."""
    file = beside(at, word)
    content = _read(file, at, problems)
    if content is None:
        return file, ""
    if len(content) > MAX_FILE_BYTES:
        problems.add(at, f"the script is larger than {MAX_FILE_BYTES >> 20} MiB: put it into a package")
    if b"\0" in content:
        problems.add(at, "the file is no script: it holds a NUL byte")
    if content.partition(b"\n")[0].endswith(b"\r"):
        problems.add(at, "the script has Windows line ends, which no shell reads: convert it, with dos2unix")
    try:
        return file, content.decode("utf-8")
    except UnicodeDecodeError:
        problems.add(at, "the script is not UTF-8: convert it")
        return file, ""


def read_template(word: str, at: Position, problems: Problems) -> tuple[str, bytes]:
    """The path and the bytes of a template that is named at ``at``."""
    file = beside(at, word)
    content = _read(file, at, problems) or b""
    if len(content) > MAX_FILE_BYTES:
        problems.add(at, f"the template is larger than {MAX_FILE_BYTES >> 20} MiB: put the file into a package")
    return file, content


def find_source(word: str, at: Position, problems: Problems) -> str:
    """The path of a file to copy that is named at ``at``. It is looked at, not read."""
    file = os.path.expanduser(beside(at, word))
    if not _is_odd(file, at, problems):
        try:
            with open(file, "rb"):
                pass
        except FileNotFoundError:
            problems.add(at, f"the file '{file}' does not exist: check the path")
        except IsADirectoryError:
            problems.add(at, f"the file '{file}' is a folder: name a file in it, or put the folder into a package")
        except (OSError, ValueError) as error:
            problems.add(at, f"the file '{file}' cannot be read: {getattr(error, 'strerror', None) or error}")
    return file


def _read(file: str, at: Position, problems: Problems) -> bytes | None:
    path = os.path.expanduser(file)
    return None if _is_odd(path, at, problems) else read_bytes(path, problems, named_at=at)


def _is_odd(file: str, at: Position, problems: Problems) -> bool:
    """Whether a path is that of a pipe, a socket or a device, which nobody should wait for; that is said."""
    try:
        mode = os.stat(file).st_mode
    except (OSError, ValueError):
        return False  # who opens it says why
    odd = not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    if odd:
        problems.add(at, f"'{file}' is no regular file: name one")
    return odd

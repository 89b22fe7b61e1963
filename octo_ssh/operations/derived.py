"""Digests of manifests that this controller made itself and applied: what a check for drift may trust (SPEC section 6).

Where git gives another manifest for a release than its target has, either somebody edited file and manifest on the
target, or git has moved on since. A digest that lies here tells that it is git.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from octo_ssh.packages.cache import own_folder

_FOLDER = "applied-manifests"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def remember_digests(state: Path, digests: Iterable[str]) -> None:
    """Keep them, an empty file each. Trouble with it costs a question more in a check, and is no error here."""
    with contextlib.suppress(OSError):
        folder = own_folder(state, _FOLDER)
        for digest in digests:
            (folder / digest).touch(mode=0o600)


def known_digests(state: Path) -> frozenset[str]:
    """Those of a folder that nobody else may write to."""
    folder = state / _FOLDER
    try:
        about = folder.stat()
        if about.st_uid != os.geteuid() or about.st_mode & 0o022:
            return frozenset()
        return frozenset(name for name in os.listdir(folder) if _SHA256.fullmatch(name))
    except OSError:
        return frozenset()

"""Manifests that this controller has seen, by their sha256: so that a target need not send what is known here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Manifest, parse_manifest
from octo_ssh.packages.cache import own_folder, sweep

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ManifestCache:
    """A folder of manifests. Losing it costs a round trip, nothing else; so trouble with it is not an error."""

    folder: Path
    _at_hand: dict[str, Manifest] = field(default_factory=dict)
    """Those that this process has read or made."""

    def find(self, sha256: str) -> Manifest | None:
        """The manifest with that digest, if it is held here unharmed."""
        if not _SHA256.fullmatch(sha256):
            return None  # it came from a target, and names a file here
        if sha256 in self._at_hand:
            return self._at_hand[sha256]
        path = self.folder / sha256
        try:
            text = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        if hashlib.sha256(text).hexdigest() != sha256:
            return None
        return self._at_hand.setdefault(sha256, parse_manifest(text))

    def keep(self, manifest: Manifest) -> None:
        """Hold it for next time."""
        self._at_hand.setdefault(manifest.sha256, manifest)
        if (self.folder / manifest.sha256).exists():
            return
        part = self.folder / f".tmp-{secrets.token_hex(8)}"
        with contextlib.suppress(OSError, PackageError):
            own_folder(self.folder.parent, self.folder.name)
            part.write_bytes(manifest.text)
            os.replace(part, self.folder / manifest.sha256)

    def sweep(self) -> None:
        """Let go of what no run has used for a month."""
        with contextlib.suppress(OSError):
            sweep(self.folder)

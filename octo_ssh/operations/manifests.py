"""Manifests that this controller has seen, by their sha256: so that a target need not send what is known here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from octo_ssh.model.manifest import Manifest, parse_manifest

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ManifestCache:
    """A folder of manifests. Losing it costs a round trip, nothing else; so trouble with it is not an error."""

    folder: Path

    def find(self, sha256: str) -> Manifest | None:
        """The manifest with that digest, if it is held here unharmed."""
        if not _SHA256.fullmatch(sha256):
            return None  # it came from a target, and names a file here
        try:
            text = (self.folder / sha256).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(text).hexdigest() != sha256:
            return None
        return parse_manifest(text)

    def keep(self, manifest: Manifest) -> None:
        """Hold it for next time."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (self.folder / manifest.sha256).exists():
                return
            handle, name = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(handle, "wb") as file:
                file.write(manifest.text)
            os.replace(name, self.folder / manifest.sha256)

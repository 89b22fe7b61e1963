"""How large a package may become: what keeps a small hostile archive from filling the controller's disk."""

from __future__ import annotations

from dataclasses import dataclass

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import MAX_ENTRIES

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what is unpacked. All sizes in bytes."""

    total: int = 8 * GIB
    """Of all files together, hard links and holes counted in full."""
    entries: int = MAX_ENTRIES
    """Files, folders and links."""
    ratio: int = 250
    """Unpacked to packed, looked at from ``ratio_floor`` on: real packages stay below 50."""
    ratio_floor: int = 256 * MIB
    path: int = 3000
    """Of one path, well below Linux' 4096 with the release folder before it."""
    name: int = 255
    """Of one part of a path, as Linux file systems have it."""
    link: int = 4095
    """Of a symbolic link's target."""
    download: int = 8 * GIB
    download_s: float = 3600.0


DEFAULT_LIMITS = Limits()


class Meter:
    """Counts what an archive unpacks to, and stops a bomb."""

    def __init__(self, limits: Limits, packed: int | None) -> None:
        self._limits = limits
        self._packed = packed
        self._total = 0

    def spend(self, size: int) -> None:
        """Count ``size`` more unpacked bytes. Raises PackageError past a limit."""
        self._total += size
        if self._total > self._limits.total:
            raise PackageError(f"unpacks to more than {human(self._limits.total)}")
        if self._packed is None or self._total <= self._limits.ratio_floor:
            return
        if self._total > self._limits.ratio * self._packed:
            raise PackageError(
                f"unpacks to more than {self._limits.ratio} times its own size, as archives made to fill disks do",
                hint="pack it as a plain .tar if it really is that regular",
            )


def human(size: int) -> str:
    """A size for people: ``8 GiB``."""
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", 1024)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"

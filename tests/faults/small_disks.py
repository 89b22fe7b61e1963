"""Small file systems on a host, in the place of ``root`` and ``to``: to be filled, emptied and made read-only."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.stand import ROOT, TO
from tests.fleet.hosts import Host

_SIZE_MB = 12
_INODES = 600
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A tmpfs on a host that is mounted at one of our places."""

    host: Host
    at: str

    def fill(self, what: str, *, but: int = 0) -> None:
        """Take all ``bytes`` or ``inodes`` but for so many (kilobytes, or inodes)."""
        if what == "inodes":
            script = f"mkdir -p {self.at}/.filler && cd {self.at}/.filler"
            script += f" && seq $(($(stat -f -c %d .) - {but})) | xargs touch"  # in a moment
        else:
            script = f"dd if=/dev/zero of={self.at}/.filler bs=64k; truncate -s -{but}K {self.at}/.filler"
        self.host.run(f"{{ {script}; }} 2>/dev/null", check=False)

    def empty(self) -> None:
        """Take the filling away."""
        self.host.run(f"rm -rf {self.at}/.filler")

    def freeze(self) -> None:
        """Make it read-only, as soon as nobody has a file open for writing there."""
        end = time.monotonic() + _PATIENCE_S
        while self.host.run(f"mount -o remount,ro {self.at}", check=False).returncode != 0:
            if time.monotonic() > end:
                raise AssertionError(f"{self.at} cannot be made read-only: somebody always writes there")
            time.sleep(0.01)

    def thaw(self) -> None:
        self.host.run(f"mount -o remount,rw {self.at}")


@contextlib.contextmanager
def small_disks(host: Host) -> Iterator[dict[str, SmallDisk]]:
    """``root`` and ``to``, each on a small disk of its own for a while. What lies there goes with them."""
    disks = {"root": SmallDisk(host, ROOT), "to": SmallDisk(host, TO)}
    for disk in disks.values():
        words = f"size={_SIZE_MB}m,nr_inodes={_INODES},mode=0700,uid=$(id -u deploy),gid=$(id -g deploy)"
        host.run(f"install -d -o deploy -g deploy -m 0700 {disk.at} && mount -t tmpfs -o {words} tmpfs {disk.at}")
    host.run(f"chmod 755 {TO}")
    try:
        yield disks
    finally:
        host.run("systemctl stop faults", check=False)
        for disk in disks.values():
            host.run(f"umount -l {disk.at}")

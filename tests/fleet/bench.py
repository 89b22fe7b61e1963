"""A folder with plans of a test's own, and people on the hosts of the fleet, for tests that need other ones than the
shop's story.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from tests.fleet.hosts import JUMP, Fleet, Host
from tests.integration.farm import Farm


@dataclass(slots=True)
class Bench(Farm):
    """The command line as cron would run it, against hosts of the fleet."""

    fleet: Fleet = field(kw_only=True)

    @classmethod
    def on(cls, fleet: Fleet, folder: Path) -> Self:
        home = folder / "controller"
        home.mkdir()
        return cls(folder, {}, {"PATH": "/usr/bin:/bin", "LANG": "C", "HOME": str(home)}, fleet=fleet)

    def write_targets(
        self, targets: Mapping[str, dict[str, Any]], *, defaults: Mapping[str, Any] | None = None, **top: Any
    ) -> None:
        """The inventory. A target is on the host of its own name, or on the one that its key ``on`` names."""
        usual = {"user": "deploy", "identity": str(self.fleet.client_key), "ssh_config": "none"}
        document = {
            "version": 1,
            "known_hosts": str(self.fleet.known_hosts),
            "defaults": {**usual, **(defaults or {})},
            "targets": {name: self._target(name, dict(keys)) for name, keys in targets.items()},
            **top,
        }
        (self.folder / "inventory.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    def _target(self, name: str, keys: dict[str, Any]) -> dict[str, Any]:
        host = self.fleet.hosts[keys.pop("on", name)]
        behind = {"jump": JUMP} if host.behind_jump else {}
        return {"host": host.ip, "tags": ["jump" if name == JUMP else "web"], **behind, **keys}


@contextlib.contextmanager
def cleaned(hosts: Iterable[Host], clean: Callable[[Host], object]) -> Iterator[None]:
    """Hosts that are as ``clean`` leaves them, before and after: it must do no harm where there is nothing to clean.

    Each is cleaned whatever happens on the others. One that it fails on begins anew, and the failure is raised.
    """
    with contextlib.ExitStack() as stack:
        for host in hosts:
            stack.callback(_clean, host, clean)
        for host in hosts:
            _clean(host, clean)
        yield


def _clean(host: Host, clean: Callable[[Host], object]) -> None:
    try:
        clean(host)
    except BaseException:
        host.reset()
        raise


def add_person(
    host: Host, name: str, *, shell: str = "/bin/bash", home: str = "", files: Mapping[str, str] | None = None
) -> None:
    """A user who lets the fleet's key in. ``files`` lie in the home folder; executable where they begin with ``#!``."""
    home = home or f"/home/{name}"
    words = ["useradd", "--create-home", "--home-dir", home, "--shell", shell, name]
    host.run(shlex.join(words))
    key = host.fleet.client_key.with_suffix(".pub").read_text()
    for path, text in {".ssh/authorized_keys": key, **(files or {})}.items():
        host.write(f"{home}/{path}", text, mode=0o755 if text.startswith("#!") else 0o644)
    host.run(f"chown -R {name}: {shlex.quote(home)}")


def remove_people(host: Host, *names: str) -> None:
    """With all that runs and lies at home. Whoever is not there need not be removed."""
    host.run(
        f"for name in {shlex.join(names)}; do"
        ' rm -f "/etc/sudoers.d/$name"; id "$name" || continue; pkill -KILL -u "$name";'
        ' userdel --force --remove "$name"; ! id "$name" || exit 1; done; systemctl reset-failed'
    )


def restart_sshd(host: Host) -> None:
    """With its configuration as it is now; connections that are up stay up. (A reload is not done when it returns.)"""
    host.run("sshd -t && systemctl reset-failed ssh && systemctl restart ssh")


def end_of_log(host: Host) -> str:
    """Where the host's log ends now, for ``log_since``."""
    said = host.run("journalctl --sync; journalctl --no-pager --lines 1 --output cat --show-cursor").stdout
    return said.rpartition("-- cursor: ")[2].strip()


def log_since(host: Host, cursor: str) -> str:
    """All that has come into the host's log since then, with every field. (journalctl's own matches would lose the
    first entry after a cursor.)
    """
    words = f"journalctl --no-pager --output export --after-cursor {shlex.quote(cursor)}"
    return host.run(f"journalctl --sync; {words}").stdout


def read_link(host: Host, path: str) -> str | None:
    """What a link on the host says; None where there is none."""
    link = host.folder / path.lstrip("/")
    return os.readlink(link) if link.is_symlink() else None


def listing(host: Host, folder: str) -> dict[str, str]:
    """All that lies in a folder of the host, as ``<type> <mode>`` by path."""
    done = host.run(f"cd {shlex.quote(folder)} && find . -mindepth 1 -printf '%y %m %P\\0'")
    rows = (row.split(" ", 2) for row in done.stdout.rstrip("\0").split("\0"))
    return {path: f"{kind} {mode}" for kind, mode, path in rows}

"""``octo-ssh demo``: the tour. Targets on this machine, a release, a second one, a broken one that is taken back.

Everything happens in a folder that is removed at the end; the user's own files, keys and records are not touched.
"""

from __future__ import annotations

import shlex
import tempfile
import textwrap
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import octo_ssh
from octo_ssh.errors import ExitCode, OctoError
from octo_ssh.operations.apply import apply
from octo_ssh.operations.demo_targets import StandIn, embedded_targets, sshd_targets
from octo_ssh.operations.fleet import MakeConnector
from octo_ssh.operations.requests import ApplyOptions, PlanRequest, Surroundings
from octo_ssh.output.view import View

_WIDTH = 79
NAMES = ("web-01", "web-02", "web-03", "web-04", "db-01")


class Tell(Protocol):
    """Where the guide's sentences go."""

    def __call__(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Chapter:
    """One apply of the tour: what is said before it, and how it is meant to end."""

    text: str
    release: str
    ends: ExitCode


CHAPTERS = (
    Chapter("Release 1 goes to all of them: one web target first, then two at a time.", "1", ExitCode.DONE),
    Chapter("The same again: everything is looked at, nothing is done.", "1", ExitCode.DONE),
    Chapter("Release 2: only what changed is sent.", "2", ExitCode.DONE),
    Chapter(
        "Release 3 is broken: its server does not answer. The first target tries it, goes back to release 2, and the"
        " others are never touched. This failure is part of the tour.",
        "3-broken",
        ExitCode.FAILED,
    ),
)


async def demo(
    tell: Tell, new_view: Callable[[], View], *, make_connector: MakeConnector, use_sshd: bool = False
) -> ExitCode:
    """Take the tour. DONE when every chapter ended as it was meant to.

    Raises OctoError when this machine lacks what a target needs.
    """
    plan_path = playbook() / "plan.yaml"
    with tempfile.TemporaryDirectory(prefix="octo-ssh-demo-") as name:
        folder = Path(name)
        targets: AbstractAsyncContextManager[tuple[StandIn, ...]]
        targets = sshd_targets(folder, NAMES) if use_sshd else embedded_targets(folder, NAMES)
        async with targets as stand_ins:
            what = "OpenSSH sshds" if use_sshd else "small SSH servers"
            tell(f"{len(stand_ins)} targets are up: {what} on 127.0.0.1, each with a home and a host key of its own.")
            inventory = write_inventory(folder, stand_ins)
            tell(f"The plan: {plan_path}")
            _tell_folded(
                tell,
                "Their host keys are in known_hosts already, for this program has just made them; for your own servers"
                " `octo-ssh trust` shows the fingerprints first.",
            )
            surroundings = Surroundings(state=folder / "state", cache=folder / "cache")
            for number, chapter in enumerate(CHAPTERS, 1):
                tell("")
                _tell_folded(tell, f"{number}. {chapter.text}")
                tell(f"$ octo-ssh apply plan.yaml --release {chapter.release}")
                request = PlanRequest(str(plan_path), str(inventory), release=chapter.release)
                with new_view() as view:
                    code = await apply(
                        request,
                        ApplyOptions(command=f"octo-ssh apply plan.yaml --release {chapter.release}"),
                        emit=view.emit,
                        make_connector=make_connector,
                        surroundings=surroundings,
                    )
                if code is ExitCode.INTERRUPTED:
                    return code
                if code is not chapter.ends:
                    tell(f"This was meant to end with exit code {int(chapter.ends)}, and ended with {int(code)}.")
                    return ExitCode.FAILED
            tell("")
            _tell_where_all_stands(tell, stand_ins)
    tell("")
    tell("The servers are stopped and their folders removed. Your turn: octo-ssh init")
    return ExitCode.DONE


def playbook() -> Path:
    """The demo's playbook: beside the package in a checkout, inside it when installed."""
    package = Path(octo_ssh.__file__).parent
    for folder in (package / "playbooks" / "demo", package.parent / "playbooks" / "demo"):
        if (folder / "plan.yaml").is_file():
            return folder
    raise OctoError("the demo's playbook is not there", hint="install octo-ssh again, or run it from a checkout")


def write_inventory(folder: Path, stand_ins: tuple[StandIn, ...]) -> Path:
    """An inventory and a known_hosts for the stand-ins, as a person would have written them."""
    (folder / "known_hosts").write_text("".join(f"{one.known_hosts_line}\n" for one in stand_ins))
    lines = [
        "version: 1",
        "defaults:",
        f"  user: {_quoted(stand_ins[0].user)}",
        f"  identity: {_quoted(str(stand_ins[0].identity))}",
        "  ssh_config: none",
        "targets:",
    ]
    for one in stand_ins:
        tag = one.name.partition("-")[0]
        lines.append(f"  {one.name}: {{host: {one.host}, port: {one.port}, tags: [{tag}]}}")
    path = folder / "inventory.yaml"
    path.write_text("\n".join([*lines, ""]))
    return path


def _tell_folded(tell: Tell, text: str) -> None:
    """A sentence in lines that fit on a terminal of the usual width."""
    for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False):
        tell(line)


def _quoted(text: str) -> str:
    """As a YAML string."""
    return "'" + text.replace("'", "''") + "'"


def _tell_where_all_stands(tell: Tell, stand_ins: tuple[StandIn, ...]) -> None:
    """Look at the targets' disks, for this once: they are folders here."""
    tell("What lies on web-01 now:")
    shop = stand_ins[0].home / "shop"
    for path in sorted(shop.glob("releases/*")):
        tell(f"  ~/{path.relative_to(stand_ins[0].home)}{'/' if path.is_dir() else ''}")
    for one in stand_ins:
        current = one.home / "shop" / "current"
        if current.is_symlink():
            release = current.readlink()
            answer = (one.home / f"shop/shared/var/answer-{release.name}").read_text().strip()
            tell(f"  {one.name}: current -> {release}, and it answers: {shlex.quote(answer)}")

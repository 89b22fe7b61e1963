"""``octo-ssh doctor``: can every target be reached, does it have what is needed, how much disk is free. Only looks."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import HostKeyRefused, RemoteError, SecretError, TargetError
from octo_ssh.model.events import Emit
from octo_ssh.model.inventory import Become, Target
from octo_ssh.model.observed import Disk, Facts
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.program import Sudo
from octo_ssh.model.reports import Diagnosis, Finding, Level
from octo_ssh.operations.fleet import MakeConnector
from octo_ssh.operations.requests import FleetRequest
from octo_ssh.operations.roster import call, outcome_of, visit
from octo_ssh.output.reports import holder
from octo_ssh.remote.observe import NEEDED_TOOLS, Health, facts, observe_places
from octo_ssh.transport.session import Observer

_PACKAGES = {
    "setsid": "util-linux",
    "find": "findutils",
    "grep": "grep",
    "tar": "tar",
    "gzip": "gzip",
    "xargs": "findutils",
}
_FEW_BYTES, _SOME_BYTES, _FEW_INODES = 100 << 20, 1 << 30, 10_000
_TIMEOUT_S = 60.0


async def doctor(request: FleetRequest, *, emit: Emit, make_connector: MakeConnector) -> tuple[Diagnosis, ...]:
    """Look at every selected target. Raises FileErrors, UsageError; a target's trouble is a finding."""
    roster = call(request)

    async def look(target: Target, session: Observer) -> Diagnosis:
        health = await session.observe(facts(target.root), timeout_s=_TIMEOUT_S)
        findings = [*judge(target.name, health), *await _become(target, health.facts, session, roster.secrets)]
        return Diagnosis(target.name, health.facts, tuple(findings))

    seen = await visit(roster, look, emit=emit, make_connector=make_connector)
    return with_twins(
        tuple(_failed(name, found) if isinstance(found, TargetError) else found for name, found in seen.items())
    )


def judge(name: str, health: Health) -> Iterator[Finding]:
    """What is to be said of a machine, sudo left aside. Pure."""
    facts = health.facts
    if missing := sorted(NEEDED_TOOLS - facts.tools):
        packages = sorted({_PACKAGES.get(tool, "coreutils") for tool in missing})
        yield Finding(Level.BAD, f"missing: {', '.join(missing)}", f"install {' '.join(packages)}")
    yield from _disk(facts.root, facts.disk)
    if not facts.tools & {"curl", "wget"}:
        yield Finding(Level.NOTE, "neither curl nor wget: no http checks here", "install curl")
    if "zstd" not in facts.tools:
        yield Finding(Level.NOTE, "no zstd: releases are sent with gzip, which takes longer", "install zstd")
    if "logger" not in facts.tools:
        yield Finding(Level.NOTE, "no logger: runs leave no line in the system's log")
    if facts.selinux and "restorecon" not in facts.tools:
        yield Finding(
            Level.NOTE, "SELinux without restorecon: releases keep the labels they get", "install policycoreutils"
        )
    if health.kills_user_processes:
        yield Finding(
            Level.NOTE,
            "KillUserProcesses=yes: a step that runs while the connection is lost ends with it",
            f"set KillExcludeUsers={facts.user} in /etc/systemd/logind.conf",
        )
    if health.lease is not None:
        yield Finding(
            Level.NOTE,
            f"locked by {holder(health.lease)}",
            f"if that run is gone, free it: octo-ssh lock --release {name}",
        )


def _disk(root: str, disk: Disk) -> Iterator[Finding]:
    if disk.free_bytes < _SOME_BYTES:
        level = Level.BAD if disk.free_bytes < _FEW_BYTES else Level.NOTE
        yield Finding(level, f"only {disk.free_bytes >> 20:,} MiB free at {root}", "make room, or set 'root' elsewhere")
    if disk.free_inodes is not None and disk.free_inodes < _FEW_INODES:
        yield Finding(Level.NOTE, f"only {disk.free_inodes:,} files can still be made at {root}")


async def _become(target: Target, facts: Facts, session: Observer, secrets: SecretStore) -> tuple[Finding, ...]:
    """Whether steps with ``become`` will work as the inventory says. Nobody is asked for more than that.

    What the inventory does not mention may not be needed: then it is a note.
    """
    become = target.become
    if become.user == facts.user:
        return ()
    trouble = Level.NOTE if become == Become() else Level.BAD
    if "sudo" not in facts.tools:
        return (
            Finding(trouble, f"no sudo: steps cannot become {become.user}", "install sudo, or log in as that user"),
        )
    try:
        password = None if become.password is None else await asyncio.to_thread(secrets.reveal, become.password)
        looking = observe_places(facts.root, "doctor", None, ())
        await session.observe(looking, sudo=Sudo(become.user, password), timeout_s=_TIMEOUT_S)
    except SecretError as error:
        return (Finding(Level.BAD, error.message, error.hint),)
    except RemoteError as error:
        why = error.beside(target.name).removesuffix(f" (to become {become.user})")
        return (Finding(trouble, f"steps cannot become {become.user}: {why}", error.hint),)
    return (Finding(Level.GOOD, f"steps can become {become.user}"),)


def _failed(name: str, error: TargetError) -> Diagnosis:
    outcome = outcome_of(error)
    return Diagnosis(
        name,
        None,
        (Finding(Level.BAD, error.beside(name), error.hint),),
        # What a target itself reports as wrong is a finding; not being able to look is not.
        Outcome.UNCHANGED if outcome is Outcome.FAILED else outcome,
        host_key_refused=isinstance(error, HostKeyRefused),
    )


def with_twins(diagnoses: tuple[Diagnosis, ...]) -> tuple[Diagnosis, ...]:
    """Names that are one machine with one ``root`` get a finding: a run refuses them (SPEC section 3). Pure."""
    same: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in diagnoses:
        if row.facts is not None and row.facts.identity:
            same[row.facts.identity].append(row.target)

    def twin(row: Diagnosis) -> Diagnosis:
        if row.facts is None or not (others := [name for name in same[row.facts.identity] if name != row.target]):
            return row
        what = f"the same machine and root as {', '.join(others[:5])}"
        return replace(
            row, findings=(*row.findings, Finding(Level.BAD, what, "name it once, or give one another root"))
        )

    return tuple(map(twin, diagnoses))

"""Brings a release's contents to a target and lays the release out, complete and configured (SPEC section 6).

A *bundle* holds what the target lacks against a release folder that it has; it is made once for all targets that lack
the same, waits in the target's store under its sha256, and is hashed again when it is used. The finished folder is
listed and hashed on the target and compared here, entry by entry, before it gets its name.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from octo_ssh.errors import RemoteError
from octo_ssh.execution.context import RunContext
from octo_ssh.execution.hold import Hold
from octo_ssh.model.events import PushAdvanced, PushDone, PushStarted
from octo_ssh.model.work import PackageWork
from octo_ssh.packages.bundle import Bundle, Compression, configured_tar
from octo_ssh.packages.delta import Difference, difference
from octo_ssh.planning.compare import compare
from octo_ssh.planning.doubts import manifest_of
from octo_ssh.remote.build import Supply, build
from octo_ssh.remote.commit import commit
from octo_ssh.remote.receive import receive

PUSH_TIMEOUT_S = 3600.0
"""A whole push over a slow line; keepalives tell a dead connection long before."""
NAMED_ENTRIES = 5


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one target needs for one release folder."""

    bundle: Bundle
    difference: Difference


async def parcel(context: RunContext, hold: Hold, step_id: str, work: PackageWork) -> Parcel:
    """Find out what the target lacks, and have it packed."""
    place = hold.observed.packages[step_id]
    base = manifest_of(place, work.base, work.manifest) if work.base is not None else None
    configured = context.configured[step_id, hold.target.name]
    delta = difference(work.manifest, base, work.damaged)
    zstd = "zstd" in hold.observed.facts.tools
    bundle = await context.bundles.get(
        context.packages[work.package],
        work.manifest,
        delta,
        leave_out=frozenset(file.path for file in configured.files),
        seeds=work.seeds,
        compression=Compression.ZSTD if zstd else Compression.GZIP,
    )
    return Parcel(bundle, delta)


async def send(context: RunContext, hold: Hold, step_id: str, work: PackageWork) -> Parcel:
    """Put the bundle into the target's store, whole or not at all."""
    target = hold.target.name
    packed = await parcel(context, hold, step_id, work)
    context.emit(PushStarted(target, work.package, packed.bundle.size))

    def advanced(sent: int) -> None:
        context.emit(PushAdvanced(target, work.package, sent))

    await hold.session.act(
        receive(hold.root, packed.bundle.sha256, packed.bundle.path, packed.bundle.size),
        timeout_s=PUSH_TIMEOUT_S,
        on_sent=advanced,
    )
    return packed


async def lay_out(
    context: RunContext, hold: Hold, step_id: str, work: PackageWork, packed: Parcel | None = None
) -> None:
    """Make ``<to>/releases/<folder>`` from the store. Raises RemoteError when what came out is not what was wanted."""
    packed = packed or await parcel(context, hold, step_id, work)
    identity = context.identity
    configured = context.configured[step_id, hold.target.name]
    files = [
        (file.path, file.mode, file.content.reveal().encode("utf-8", "surrogateescape")) for file in configured.files
    ]
    sudo = await hold.sudo(work.sudo_user)
    # The store is readable by the login and root alone.
    supply = Supply.STORE if sudo is None or sudo.user == "root" else Supply.INPUT
    tree = await hold.session.act(
        build(
            hold.root,
            work.to,
            work.folder,
            project=identity.project,
            environment=identity.environment,
            base=work.base,
            manifest=work.manifest,
            difference=packed.difference,
            bundle=packed.bundle,
            configured=configured_tar(files) if files else b"",
            shared=work.shared,
            seeds=work.seeds,
            supply=supply,
        ),
        sudo=sudo,
        timeout_s=PUSH_TIMEOUT_S,
    )
    found = compare(work.manifest, tree)
    wrong = (*found.missing, *found.changed, *found.extra, *found.unreadable)
    if wrong:
        names = ", ".join(wrong[:NAMED_ENTRIES]) + (" …" if len(wrong) > NAMED_ENTRIES else "")
        raise RemoteError(
            f"the release laid out in {work.to} is not what was sent: {names}",
            hint=f"nothing was switched; {_cause(work, packed.difference, wrong)}",
        )
    await hold.session.act(commit(work.to, work.folder), sudo=sudo, timeout_s=PUSH_TIMEOUT_S)


def _cause(work: PackageWork, delta: Difference, wrong: tuple[str, ...]) -> str:
    """What to think of entries that came out wrong, and what to do."""
    taken = {*delta.unchanged, *(path for _, path in delta.copies)}
    if taken.isdisjoint(wrong):
        return "look at the target's disk, or at who else writes there"
    return (
        f"they were copied from release {work.base}, which changed since it was looked at, or whose disk is failing: "
        "run again; if that does not help, `touch` a file of it, and all of it will be looked at"
    )


async def push(context: RunContext, hold: Hold, step_id: str, work: PackageWork) -> bool:
    """Send a package before the first step. True when the release is laid out, False when it waits in the store."""
    packed = await send(context, hold, step_id, work)
    writable = hold.observed.packages[step_id].writable
    if writable:
        await lay_out(context, hold, step_id, work, packed)
    context.emit(
        PushDone(hold.target.name, work.package, packed.bundle.size, f"{work.to.rstrip('/')}/releases/{work.folder}")
    )
    return writable


async def push_all(
    context: RunContext, jobs: list[tuple[Hold, str, PackageWork]], *, at_once: int
) -> dict[tuple[str, str], bool | Exception]:
    """Push to all targets; by step id and target: laid out, waiting, or why not. One target's failure is its own."""
    places = asyncio.Semaphore(at_once)

    async def one(hold: Hold, step_id: str, work: PackageWork) -> bool:
        async with places:
            return await push(context, hold, step_id, work)

    ends = await asyncio.gather(*(one(*job) for job in jobs), return_exceptions=True)
    found: dict[tuple[str, str], bool | Exception] = {}
    for (hold, step_id, _), end in zip(jobs, ends, strict=True):
        if isinstance(end, BaseException) and not isinstance(end, Exception):
            raise end
        found[step_id, hold.target.name] = end
    return found

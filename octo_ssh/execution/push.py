"""Brings a release's contents to a target and lays the release out, complete and configured (SPEC section 6).

A *bundle* holds what the target lacks against a release folder that it has; it is made once for all targets that lack
the same, waits in the target's store under its sha256, and is hashed again when it is used. The finished folder is
listed and hashed on the target and compared here, entry by entry, before it gets its name. What turns out to be
damaged on the way, in the store or in the release that was copied from, is sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from octo_ssh.errors import RemoteError
from octo_ssh.execution.context import RunContext
from octo_ssh.execution.hold import Hold
from octo_ssh.model.events import PushAdvanced, PushDone, PushStarted
from octo_ssh.model.observed import Tree
from octo_ssh.model.work import PackageWork
from octo_ssh.packages.bundle import Bundle, Compression, configured_tar
from octo_ssh.packages.delta import Difference, difference
from octo_ssh.planning.compare import compare
from octo_ssh.planning.doubts import manifest_of
from octo_ssh.planning.space import Load, shortage, takes_input
from octo_ssh.remote.build import Supply, build
from octo_ssh.remote.commit import commit, discard
from octo_ssh.remote.receive import Received, receive

PUSH_TIMEOUT_S = 3600.0
"""A whole push over a slow line; keepalives tell a dead connection long before."""
NAMED_ENTRIES = 5
SENDINGS = 2
"""How often a bundle is sent that does not arrive as it left."""
LAYOUTS = 3
"""How often a release is laid out that does not come out as it should."""


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


async def send(
    context: RunContext, hold: Hold, work: PackageWork, packed: Parcel, *, wanted: Iterable[str] = ()
) -> None:
    """Put the bundle into the target's store, whole or not at all; what came there before is not sent again.

    ``wanted``: as ``receive`` takes it. Raises RemoteError where it does not arrive as it left.
    """
    target = hold.target.name

    def advanced(sent: int) -> None:
        context.emit(PushAdvanced(target, work.package, sent))

    bundle = packed.bundle
    program = receive(
        hold.root, bundle.sha256, bundle.path, bundle.size, epoch=hold.epoch, token=hold.token, wanted=wanted
    )
    for _ in range(SENDINGS):
        context.emit(PushStarted(target, work.package, bundle.size))
        if await hold.session.act(program, timeout_s=PUSH_TIMEOUT_S, on_sent=advanced) is not Received.DAMAGED:
            return
    raise RemoteError(
        f"what is sent to {hold.root}/store does not arrive as it left, time after time",
        hint="nothing was switched; the target's disk or memory may be failing",
    )


async def lay_out(
    context: RunContext, hold: Hold, step_id: str, work: PackageWork, packed: Parcel | None = None
) -> None:
    """Make ``<to>/releases/<folder>`` from the store. Raises RemoteError when what came out is not what was wanted.

    A bundle that the store has lost is sent again, and so is what was copied from a damaged release.
    """
    packed = packed or await parcel(context, hold, step_id, work)
    sudo = await hold.sudo(work.sudo_user)
    for left in reversed(range(LAYOUTS)):
        tree = await _build(context, hold, step_id, work, packed)
        if tree is not None:
            wrong = _wrong(work, tree)
            if not wrong:
                program = commit(work.to, work.folder, work.manifest.sha256)
                await hold.session.act(program, sudo=sudo, timeout_s=PUSH_TIMEOUT_S)
                return
            spoilt = _origins(packed.difference, wrong)
            if not spoilt or not left:
                await hold.session.act(discard(work.to), sudo=sudo, timeout_s=PUSH_TIMEOUT_S)
                raise _not_so(work, wrong, spoilt)
            work = replace(work, damaged=tuple(sorted({*work.damaged, *spoilt})))
            packed = await parcel(context, hold, step_id, work)
        await send(context, hold, work, packed)
    raise RemoteError(
        f"{hold.root}/store does not keep what is sent there",
        hint="nothing was switched; look at the target's disk, or at who else writes there",
    )


async def _build(context: RunContext, hold: Hold, step_id: str, work: PackageWork, packed: Parcel) -> Tree | None:
    identity = context.identity
    configured = context.configured[step_id, hold.target.name]
    files = [
        (file.path, file.mode, file.content.reveal().encode("utf-8", "surrogateescape")) for file in configured.files
    ]
    return await hold.session.act(
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
            supply=Supply.INPUT if takes_input(work, hold.observed.facts) else Supply.STORE,
            epoch=hold.epoch,
            token=hold.token,
        ),
        sudo=await hold.sudo(work.sudo_user),
        timeout_s=PUSH_TIMEOUT_S,
    )


def _wrong(work: PackageWork, tree: Tree) -> tuple[str, ...]:
    """Entries that came out otherwise than was wanted."""
    found = compare(work.manifest, tree)
    return (*found.missing, *found.changed, *found.extra, *found.unreadable)


def _origins(delta: Difference, wrong: tuple[str, ...]) -> set[str]:
    """The files of the base that wrong ones were copied from."""
    taken = {path: path for path in delta.unchanged} | {path: origin for origin, path in delta.copies}
    return {taken[path] for path in wrong if path in taken}


def _not_so(work: PackageWork, wrong: tuple[str, ...], spoilt: set[str]) -> RemoteError:
    names = ", ".join(wrong[:NAMED_ENTRIES]) + (" …" if len(wrong) > NAMED_ENTRIES else "")
    cause = (
        f"they were copied from release {work.base}, which changes all the time, or whose disk is failing"
        if spoilt
        else "look at the target's disk, or at who else writes there"
    )
    return RemoteError(
        f"the release laid out in {work.to} is not what was sent: {names}", hint=f"nothing was switched; {cause}"
    )


async def push(context: RunContext, hold: Hold, works: Mapping[str, PackageWork]) -> dict[str, bool]:
    """Send a target's packages before the first step; by step id: True when the release is laid out, False when it
    waits in the store. Raises TargetError, for want of room before anything is sent.
    """
    parcels = {step_id: await parcel(context, hold, step_id, work) for step_id, work in works.items()}
    places = hold.observed.packages
    loads = (
        Load(places[step_id], work, context.packages[work.package].manifest, parcels[step_id].bundle.size)
        for step_id, work in works.items()
    )
    if (cramped := shortage(hold.observed.facts, loads)) is not None:
        raise RemoteError(cramped, hint="nothing was changed there; make room, and apply again")
    wanted = {packed.bundle.sha256 for packed in parcels.values()}
    for step_id, work in works.items():
        packed = parcels[step_id]
        hold.keeps_store = True  # wherever it is cut short; what fails leaves nothing
        try:
            await send(context, hold, work, packed, wanted=wanted)
        except RemoteError:
            hold.keeps_store = False
            raise
        hold.keeps_store = False
        if places[step_id].writable:
            await lay_out(context, hold, step_id, work, packed)
        context.emit(
            PushDone(
                hold.target.name, work.package, packed.bundle.size, f"{work.to.rstrip('/')}/releases/{work.folder}"
            )
        )
    return {step_id: places[step_id].writable for step_id in works}


async def push_all(
    context: RunContext, jobs: list[tuple[Hold, str, PackageWork]], *, at_once: int
) -> dict[str, Mapping[str, bool] | Exception]:
    """Push to all targets; by target: what came of each package step, as ``push`` says, or why it failed. One target's
    failure is its own.
    """
    turns = asyncio.Semaphore(at_once)
    works: dict[str, dict[str, PackageWork]] = {}
    for hold, step_id, work in jobs:
        works.setdefault(hold.target.name, {})[step_id] = work
    holds = {hold.target.name: hold for hold, _, _ in jobs}

    async def one(target: str) -> dict[str, bool]:
        async with turns:
            return await push(context, holds[target], works[target])

    ends = await asyncio.gather(*map(one, works), return_exceptions=True)
    found: dict[str, Mapping[str, bool] | Exception] = {}
    for target, end in zip(works, ends, strict=True):
        if isinstance(end, BaseException) and not isinstance(end, Exception):
            raise end
        found[target] = end
    return found

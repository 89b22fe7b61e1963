"""The package step: switch ``current``, activate, verify, and go back when that fails (SPEC sections 6 and 8).

Octopus's scripts at the package's root have their places in it: PreDeploy before the switch, Deploy right after it,
PostDeploy after ``activate``, DeployFailed whenever the step fails.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

from octo_ssh.errors import ConnectionLost, LeaseLost, OctoError, TargetTimeout
from octo_ssh.execution import baseline
from octo_ssh.execution.context import RunContext, StepEnd
from octo_ssh.execution.fence import flip
from octo_ssh.execution.hold import Change, Hold
from octo_ssh.execution.outputs import Said, to_remember
from octo_ssh.execution.probe import probe
from octo_ssh.execution.push import PUSH_TIMEOUT_S, lay_out
from octo_ssh.execution.script import moved, run_script
from octo_ssh.execution.voice import StepVoice
from octo_ssh.model.observed import Baseline, Owed, PackageBaseline
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import Step
from octo_ssh.model.work import PackageWork, ScriptWork
from octo_ssh.planning.doubts import recorded
from octo_ssh.remote.prune import prune

NAMED_REPAIRS = 100
"""Paths that a journal line names."""
INTERRUPTED = StepEnd(Outcome.FAILED, "interrupted before the switch; the old release stays")


@dataclass(slots=True)
class Deployment:
    """One package step on one target."""

    context: RunContext
    hold: Hold
    step: Step
    work: PackageWork
    voice: StepVoice
    is_built: bool
    """The release folder is laid out; another try need not do it again."""

    async def run(self) -> StepEnd:
        """Make the release current, active and verified, or leave the target at the one before.

        Before the switch an interrupt ends the step; after it the step finishes or returns. Raises ConnectionLost
        and the other TargetErrors.
        """
        work = self.work
        if work.build and not self.is_built:
            self.voice.note(f"laying out {work.folder}")
            await lay_out(self.context, self.hold, self.step.id, work)
            self.is_built = True
        if self.context.interrupted:
            return INTERRUPTED
        if work.switch:
            failure = await self._failure(self._prepare())
            if failure is not None:
                await self._tell("step ended", outcome="failed")
                return await self._deploy_failed(failure)
            await self._switch(work.folder)
        failure = await self._failure(self._activate_and_verify())
        if failure is None:
            await self._succeeded()
            return StepEnd(Outcome.CHANGED, f"now at {work.folder}")
        failure = await self._deploy_failed(failure)
        if not (work.switch or work.previous) and self._was_good:
            await self._tell("step ended", outcome="failed")
            return failure
        return await self._go_back(failure)

    @property
    def said(self) -> Said:
        """The outputs of its scripts so far. Where only some of them run again, the others' are as remembered."""
        left = self.hold.observed.baseline.outputs.get(self.step.id)
        return {**(left.values if left is not None and not self.work.switch else {}), **self.voice.outputs}

    @property
    def _was_good(self) -> bool:
        """A success of the very folder is remembered: it stays where there is none before it."""
        observed = self.hold.observed
        left = recorded(observed, observed.packages[self.step.id])
        return left is not None and left.folder == self.work.folder

    async def _switch(self, folder: str) -> None:
        what = [*self._activation(self.work.conventions), *(["verify"] if self.work.verify is not None else [])]
        debts = (*(self._owed(name, self._release) for name in what), *self.work.owes)
        await self._tell(
            "switching",
            folder=folder,
            change=partial(baseline.switching, step=self.step.id, release=self._release, debts=debts),
        )
        await self._point_current_at(folder)

    async def _point_current_at(self, folder: str | None) -> None:
        await flip(self.hold, self.work, folder)

    def _activation(self, conventions: Mapping[str, ScriptWork]) -> dict[str, ScriptWork]:
        """What makes a release with these scripts take effect once it is current, in order."""
        every = {
            "Deploy": conventions.get("Deploy"),
            "activate": self.work.activate,
            "PostDeploy": conventions.get("PostDeploy"),
        }
        return {name: script for name, script in every.items() if script is not None}

    async def _failure(self, work: Coroutine[Any, Any, StepEnd | None]) -> StepEnd | None:
        """How a part of the step went wrong; None when all went well. Raises ConnectionLost, TargetTimeout."""
        try:
            return await work
        except (ConnectionLost, TargetTimeout, LeaseLost):
            raise
        except OctoError as error:  # a secret that cannot be had, say: no release stays that was not activated
            return self.voice.failure(error)

    async def _prepare(self) -> StepEnd | None:
        """Run PreDeploy; an interrupt ends it, as the switch has not come yet."""
        script = self.work.conventions.get("PreDeploy")
        if script is None:
            return None
        running = asyncio.create_task(self._run("PreDeploy", script))
        signal = asyncio.create_task(self.context.interruption.wait())
        try:
            await asyncio.wait((running, signal), return_when=asyncio.FIRST_COMPLETED)
            if self.context.interrupted:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
                return INTERRUPTED
            return await running
        finally:
            signal.cancel()
            running.cancel()
            await asyncio.gather(running, signal, return_exceptions=True)

    async def _run(self, what: str, script: ScriptWork) -> StepEnd | None:
        """Run one of the step's scripts; how it failed, or None."""
        self.voice.note("activating" if what == "activate" else f"running {what}")
        end = await run_script(self.hold, script, self.voice)
        if end.outcome is Outcome.CHANGED:
            return None
        return StepEnd(Outcome.FAILED, f"{what}: {end.reason}", end.status, end.tail)

    async def _activate_and_verify(self) -> StepEnd | None:
        work = self.work
        activated = work.switch
        for what, script in self._activation(work.conventions).items():
            if not (work.switch or what in work.owed):
                continue
            activated = True
            if (failure := await self._run(what, script)) is not None:
                return failure
            await self._tell("activated", part=what, change=partial(baseline.paid, step=self.step.id, what=what))
        if work.verify is not None and (activated or "verify" in work.owed):
            self.voice.note("verifying")
            end = await probe(self.hold, work.verify, self.voice)
            if end.outcome is not Outcome.UNCHANGED:
                return StepEnd(Outcome.FAILED, f"verify: {end.reason}", end.status, end.tail)
        return None

    async def _deploy_failed(self, failure: StepEnd) -> StepEnd:
        """Give the package's DeployFailed its say. Raises ConnectionLost, TargetTimeout."""
        script = self.work.conventions.get("DeployFailed")
        again = None if script is None else await self._failure(self._run("DeployFailed", script))
        return failure if again is None else replace(failure, reason=f"{failure.reason}; {again.reason}")

    async def _succeeded(self) -> None:
        """Clean up, then write down how the release stands now: with what the service wrote at its start."""
        work = self.work
        pruned = await self.hold.session.act(
            prune(work.to, keep=(work.folder, *work.keep)),
            sudo=await self.hold.sudo(work.sudo_user),
            timeout_s=PUSH_TIMEOUT_S,
        )
        change = partial(
            baseline.package_succeeded,
            step=self.step.id,
            release=self._release,
            state=PackageBaseline(
                to=work.to,
                folder=work.folder,
                manifest_sha256=work.manifest.sha256,
                fingerprint=pruned.fingerprint,
                user=self.hold.remembered_user(work.sudo_user),
                owner=pruned.owner,
                owners=pruned.owners,
                shared=work.shared,
            ),
            keep=work.keep,
            outputs=to_remember(self.said, self._release, self.context.identity.run),
        )
        repaired = {"repaired": list(work.repaired[:NAMED_REPAIRS])} if work.repaired and work.build else {}
        await self._tell(
            "step ended",
            outcome="changed",
            folder=work.folder,
            manifest=work.manifest.sha256,
            change=change,
            **repaired,
        )
        self.context.went_back.discard((self.step.id, self.hold.name))

    async def _go_back(self, failure: StepEnd) -> StepEnd:
        """Return to the release before; a first release leaves no ``current`` (SPEC section 8)."""
        self.context.went_back.add((self.step.id, self.hold.name))
        old = self.work.previous
        activation = {} if old is None else self._activation(self.work.returning)
        release = self.hold.observed.baseline.release
        self.voice.note(f"going back to {old}" if old else "taking the first release back")
        debts = tuple(self._owed(what, release or old or "") for what in activation)
        await self._tell(
            "returning",
            folder=old,
            change=partial(baseline.returning, step=self.step.id, release=release, debts=debts),
        )
        await self._point_current_at(old)
        reason = failure.reason + (f"; back at {old}" if old else "; nothing is current, as before")
        done: list[str] = []
        for what, script in activation.items():
            folder = f"{self.work.to.rstrip('/')}/releases/{old}"
            again = moved(script, package=self.work.package, folder=folder, release=release or old or "")
            end = await run_script(self.hold, again, StepVoice(self.context, self.step.id, self.hold.target.name))
            if end.outcome is not Outcome.CHANGED:
                reason += f", but its {what} failed: {end.reason}"
                break
            done.append(what)

        def paid(after: Baseline) -> Baseline:
            return reduce(lambda left, what: baseline.paid(left, step=self.step.id, what=what), done, after)

        await self._tell("returned", outcome="failed", folder=old, change=paid)
        return StepEnd(Outcome.FAILED, reason, failure.status, failure.tail)

    @property
    def _release(self) -> str:
        return self.context.identity.release or ""

    def _owed(self, what: str, release: str) -> Owed:
        return Owed(self.step.id, self.work.package, release, what, self.work.previous)

    async def _tell(self, what: str, *, change: Change | None = None, **fields: Any) -> None:
        await self.hold.record({"what": what, "step": self.step.id, "package": self.work.package, **fields}, change)

"""The package step: switch ``current``, activate, verify, and go back when that fails (SPEC sections 6 and 8).

Octopus's scripts at the package's root have their places in it: PreDeploy before the switch, Deploy right after it,
PostDeploy after ``activate``, DeployFailed whenever the step fails.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import Any

from octo_ssh.errors import ConnectionLost, LeaseLost, OctoError, RemoteError, TargetTimeout
from octo_ssh.execution import baseline
from octo_ssh.execution.confirm import Timer, clear, overtake
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
from octo_ssh.model.timers import TimerSeen, Verdict
from octo_ssh.model.work import PackageWork, ScriptWork
from octo_ssh.planning.deploy import CONFIRM
from octo_ssh.planning.doubts import recorded
from octo_ssh.planning.unconfirmed import went_back
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
    _timer: Timer | None = field(default=None, init=False)
    """What takes the release back where nobody confirms it."""

    async def run(self) -> StepEnd:
        """Make the release current, active and verified, or leave the target at the one before.

        Before the switch an interrupt ends the step; after it the step finishes or returns, or the target does so by
        itself. Raises ConnectionLost and the other TargetErrors.
        """
        work = self.work
        if work.build:
            self.hold.outdate()
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
        failure = await self._failure(self._arm())
        if failure is not None:
            await self._tell("step ended", outcome="failed")
            return await self._deploy_failed(failure)
        try:
            return await self._take_effect()
        except (ConnectionLost, TargetTimeout) as error:
            seen = None if self._timer is None else await self._timer.await_verdict()
            if seen is None or seen.verdict is not Verdict.REVERTED:
                raise
            return await self._went_back(seen, self.voice.failure(error))

    async def _take_effect(self) -> StepEnd:
        work = self.work
        if work.switch:
            try:
                await self._switch(work.folder)
            except RemoteError:
                seen = None if self._timer is None else await self._timer.call_off()
                if seen is None:
                    raise
                return await self._went_back(seen, None)
        failure = await self._failure(self._activate_and_verify())
        if failure is None and self._timer is not None:
            seen = await self._confirm(self._timer)
            if seen.verdict is not Verdict.CONFIRMED:
                return await self._undone(seen, None)
        if failure is None:
            await self._succeeded()
            return StepEnd(Outcome.CHANGED, f"now at {work.folder}")
        failure = await self._deploy_failed(failure)
        if not (work.switch or work.previous) and self._was_good:
            await self._tell("step ended", outcome="failed")
            return failure
        return await self._go_back(failure)

    async def _confirm(self, timer: Timer) -> TimerSeen:
        self.voice.note("confirming over a new connection")
        try:
            return await timer.confirm()
        except ConnectionLost:
            self._timer = None  # it was waited for long enough
            raise

    @property
    def said(self) -> Said:
        """The outputs of its scripts so far. Where only some of them run again, the others' are as remembered."""
        left = self.hold.observed.baseline.outputs.get(self.step.id)
        return {**(left.values if left is not None and not self.work.switch else {}), **self.voice.outputs}

    @property
    def _beat(self) -> str:
        return "" if self._timer is None else self._timer.beats

    @property
    def _was_good(self) -> bool:
        """A success of the very folder is remembered: it stays where there is none before it."""
        observed = self.hold.observed
        left = recorded(observed, observed.packages[self.step.id])
        return left is not None and left.folder == self.work.folder

    async def _arm(self) -> None:
        """Have the target go back by itself, where the step wants that; nobody else's timer does so any more."""
        work, others = self.work, self.hold.observed.packages[self.step.id].timers
        if work.switch or any(timer.is_open and timer.restarted for timer in others):
            self.hold.outdate()
        if work.confirm_s is None:
            await overtake(self.hold, work, others)
            return
        failed = work.conventions.get("DeployFailed")
        scripts = [*self._activation(work.conventions).values(), *([] if failed is None else [failed])]
        self._timer = await Timer.armed(self.hold, work, scripts=scripts, way_back=self._way_back())
        self.voice.note(f"armed: back at {work.previous or 'nothing'} unless confirmed within {work.confirm_s:g} s")

    def _way_back(self) -> dict[str, ScriptWork]:
        """The scripts that make the release before take effect again, in order."""
        old = self.work.previous
        if old is None:
            return {}
        folder = f"{self.work.to.rstrip('/')}/releases/{old}"
        release = self.hold.observed.baseline.release or old
        scripts = self._activation(self.work.returning)
        return {
            what: moved(script, package=self.work.package, folder=folder, release=release)
            for what, script in scripts.items()
        }

    async def _switch(self, folder: str) -> None:
        what = [
            *self._activation(self.work.conventions),
            *(["verify"] if self.work.verify is not None else []),
            *([CONFIRM] if self.work.confirm_s is not None else []),
        ]
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
        end = await run_script(self.hold, script, self.voice, part=what, beat=self._beat)
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
        if self._timer is not None or self.hold.observed.packages[self.step.id].timers:
            await clear(self.hold, work)
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
                user=self.hold.observed.facts.remembered_user(work.sudo_user),
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
        old, way_back = self.work.previous, self._way_back()
        self.voice.note(f"going back to {old}" if old else "taking the first release back")
        await self._tell("returning", folder=old, change=self._returning(way_back))
        if self._timer is not None:  # until then, it goes back if this controller does not live to do so
            seen = await self._timer.take_back()
            if seen.verdict is not Verdict.RETURNED:
                return await self._undone(seen, failure)
        await self._point_current_at(old)
        if self._timer is not None:
            await self._timer.clear()
        reason = failure.reason + (f"; back at {old}" if old else "; nothing is current, as before")
        done: list[str] = []
        for what, script in way_back.items():
            voice = StepVoice(self.context, self.step.id, self.hold.target.name)
            end = await run_script(self.hold, script, voice, part=f"returning.{what}")
            if end.outcome is not Outcome.CHANGED:
                reason += f", but its {what} failed: {end.reason}"
                break
            done.append(what)

        def paid(after: Baseline) -> Baseline:
            return reduce(lambda left, what: baseline.paid(left, step=self.step.id, what=what), done, after)

        await self._tell("returned", outcome="failed", folder=old, change=paid)
        return StepEnd(Outcome.FAILED, reason, failure.status, failure.tail)

    async def _undone(self, seen: TimerSeen, failure: StepEnd | None) -> StepEnd:
        """Somebody else had decided before us. Raises LeaseLost where that was another run."""
        if seen.verdict is Verdict.REVERTED:
            return await self._went_back(seen, failure)
        await self.hold.assure()
        raise LeaseLost(f"another run decides about {self.work.folder} in {self.work.to}")

    async def _went_back(self, seen: TimerSeen, failure: StepEnd | None) -> StepEnd:
        """The target went back by itself: write that down, with what did not take effect there."""
        assert self._timer is not None
        self.context.went_back.add((self.step.id, self.hold.name))
        left = [what for what in self._way_back() if seen.came.get(what) != 0]
        await self._tell(
            "returned", by="target", outcome="failed", folder=self.work.previous, change=self._returning(left)
        )
        await self._timer.clear()
        await self._timer.regain()
        reason = went_back(seen)
        if self._timer.refusal:
            reason += f"; a new connection met this: {self.voice.masked(self._timer.refusal)}"
        if failure is None:
            return StepEnd(Outcome.FAILED, reason)
        return StepEnd(Outcome.FAILED, f"{failure.reason}; {reason}", failure.status, failure.tail)

    def _returning(self, owed: Iterable[str]) -> Change:
        """The release before is current again, and these are still to happen there."""
        release = self.hold.observed.baseline.release
        debts = tuple(self._owed(what, release or self.work.previous or "") for what in owed)
        return partial(baseline.returning, step=self.step.id, release=release, debts=debts)

    @property
    def _release(self) -> str:
        return self.context.identity.release or ""

    def _owed(self, what: str, release: str) -> Owed:
        return Owed(self.step.id, self.work.package, release, what, self.work.previous)

    async def _tell(self, what: str, *, change: Change | None = None, **fields: Any) -> None:
        await self.hold.record({"what": what, "step": self.step.id, "package": self.work.package, **fields}, change)

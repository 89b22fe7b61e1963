"""Carries out single steps on single targets. Knows nothing of order, windows or budgets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from octo_ssh.errors import ConnectionLost, OctoError, TargetTimeout
from octo_ssh.execution import baseline
from octo_ssh.execution.context import RunContext, StepEnd, StepVoice
from octo_ssh.execution.hold import Hold
from octo_ssh.execution.package import Deployment
from octo_ssh.execution.probe import probe
from octo_ssh.execution.script import run_script
from octo_ssh.model.events import StepBegan
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import Step
from octo_ssh.model.work import PackageWork, PlannedStep, ProbeWork, ScriptWork
from octo_ssh.planning.schedule import Start


@dataclass(slots=True)
class Engine:
    """The targets that a run holds, and what is planned for them."""

    context: RunContext
    holds: Mapping[str, Hold]
    steps: Mapping[str, PlannedStep]
    """By step id."""
    built: set[tuple[str, str]]
    """(step id, target) of release folders that are laid out."""

    async def carry_out(self, start: Start) -> StepEnd:
        """Do one step on one target, as often as its ``retry`` allows. Raises nothing but CancelledError."""
        planned = self.steps[start.step_id]
        self.context.emit(StepBegan(start.step_id, start.target))
        work = planned.planned[start.target].work
        assert work is not None, "the schedule settles what has nothing to do"
        voice = StepVoice(self.context, start.step_id, start.target)
        retry = planned.step.retry
        for attempt in range(retry.times + 1):
            end = await self._attempt(planned.step, self.holds[start.target], work, voice)
            if end.outcome is not Outcome.FAILED or attempt == retry.times or self.context.interrupted:
                break
            voice.note(f"{end.reason}; trying again in {retry.delay_s:g} s ({attempt + 1} of {retry.times})")
            with contextlib.suppress(TimeoutError):
                # a package step is not cancelled by an interrupt, but need not wait for its next try
                async with asyncio.timeout(retry.delay_s):
                    await self.context.interruption.wait()
                    break
        return end

    def stoppable(self, start: Start) -> bool:
        """Scripts and checks may be cancelled; a package step ends by itself, before its switch or after it."""
        return not isinstance(self.steps[start.step_id].planned[start.target].work, PackageWork)

    async def _attempt(
        self, step: Step, hold: Hold, work: ScriptWork | ProbeWork | PackageWork, voice: StepVoice
    ) -> StepEnd:
        if hold.lost and hold.gone:
            return StepEnd(Outcome.SKIPPED, "this target was not locked")
        if hold.lost:
            return StepEnd(Outcome.UNKNOWN, f"the lock on this target was lost: {hold.lost}")
        try:
            match work:
                case ScriptWork():
                    return await self._script(step, hold, work, voice)
                case ProbeWork():
                    return await self._check(step, hold, work, voice)
                case PackageWork():
                    return await self._deploy(step, hold, work, voice)
                case _:
                    assert_never(work)
        except (ConnectionLost, TargetTimeout) as error:  # what came of it was not seen
            return StepEnd(Outcome.UNKNOWN, voice.masked(error.beside(hold.target.name)), tail=voice.tail())
        except OctoError as error:
            return voice.failure(error)

    async def _script(self, step: Step, hold: Hold, work: ScriptWork, voice: StepVoice) -> StepEnd:
        end = await run_script(hold, work, voice)
        release, run = self.context.identity.release, self.context.identity.run
        after = hold.baseline
        if end.outcome is Outcome.CHANGED:
            after = baseline.script_succeeded(after, step=step.id, digest=work.digest, release=release, run=run)
        await hold.record(_ended(step, end), after)
        return end

    async def _deploy(self, step: Step, hold: Hold, work: PackageWork, voice: StepVoice) -> StepEnd:
        key = (step.id, hold.target.name)
        deployment = Deployment(self.context, hold, step, work, voice, is_built=key in self.built)
        try:
            return await deployment.run()
        finally:
            if deployment.is_built:
                self.built.add(key)

    async def _check(self, step: Step, hold: Hold, work: ProbeWork, voice: StepVoice) -> StepEnd:
        end = await probe(hold, work, voice)
        after = baseline.check_ended(hold.baseline, step=step.id, passed=end.outcome is Outcome.UNCHANGED)
        await hold.record(_ended(step, end), after)
        return end


def _ended(step: Step, end: StepEnd) -> dict[str, str | int | None]:
    return {"what": "step ended", "step": step.id, "outcome": end.outcome.value, "status": end.status}

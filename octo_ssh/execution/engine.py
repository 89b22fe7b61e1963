"""Carries out single steps on single targets. Knows nothing of order, windows or budgets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import assert_never

from octo_ssh.errors import ConnectionLost, HostKeyRefused, LeaseLost, OctoError, TargetError, TargetTimeout
from octo_ssh.execution import baseline
from octo_ssh.execution.context import RunContext, StepEnd
from octo_ssh.execution.file import FilePlacement
from octo_ssh.execution.hold import Hold
from octo_ssh.execution.outputs import Said, to_remember
from octo_ssh.execution.package import Deployment
from octo_ssh.execution.probe import probe
from octo_ssh.execution.reboot import run_and_wait
from octo_ssh.execution.script import run_script
from octo_ssh.execution.seat import ControllerSeat
from octo_ssh.execution.service import ServiceChange
from octo_ssh.execution.voice import StepVoice
from octo_ssh.model.events import StepBegan
from octo_ssh.model.observed import Baseline
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import RunStep, Step
from octo_ssh.model.work import (
    ApproveWork,
    FileWork,
    PackageWork,
    Planned,
    PlannedStep,
    ProbeWork,
    ScriptWork,
    ServiceWork,
    Work,
)
from octo_ssh.planning.schedule import Start


@dataclass(slots=True)
class Engine:
    """The targets that a run holds, and what is planned for them."""

    context: RunContext
    holds: Mapping[str, Hold]
    controller: ControllerSeat
    steps: Mapping[str, PlannedStep]
    """By step id."""
    built: set[tuple[str, str]]
    """(step id, target) of release folders that are laid out."""
    _tried: set[Start] = field(default_factory=set, init=False)

    async def carry_out(self, start: Start) -> StepEnd:
        """Do one step on one target, as often as its ``retry`` allows. Raises StateError: events cannot be kept."""
        step = self.steps[start.step_id].step
        self.context.emit(StepBegan(start.step_id, start.target))
        retry = step.retry
        tries = 0
        await self.context.on_disk()
        while True:
            # What a failed try said is not said by the next.
            voice = StepVoice(self.context, start.step_id, start.target)
            end = await self._attempt(step, self._planned(start), voice)
            tries += 1
            if end.outcome is not Outcome.FAILED or tries > retry.times or self.context.interrupted:
                return end
            wait_s = retry.wait_s(tries)
            voice.note(f"{end.reason}; trying again in {wait_s:g} s ({tries} of {retry.times})")
            with contextlib.suppress(TimeoutError):
                # a package step is not cancelled by an interrupt, but need not wait for its next try
                async with asyncio.timeout(wait_s):
                    await self.context.interruption.wait()
                    return end

    def _planned(self, start: Start) -> Planned:
        """What is to be done. From the second try on, what was seen before the first is looked at again."""
        planned = self.steps[start.step_id].planned[start.target]
        if start in self._tried and isinstance(planned.work, FileWork | ServiceWork):
            return replace(planned, work=replace(planned.work, seen=None))
        self._tried.add(start)
        return planned

    async def ignored(self, start: Start, end: StepEnd) -> StepEnd:
        """The failure of a step counts nowhere, and its target remembers that. Gives ``end``, or what came of it where
        that could not be written down. Raises nothing but CancelledError; it is written down all the same then.
        """
        hold, work = self.holds.get(start.target), self.steps[start.step_id].planned[start.target].work
        if hold is None:
            return end
        identity = self.context.identity
        change = partial(
            baseline.failure_ignored,
            step=start.step_id,
            digest=work.digest if isinstance(work, ScriptWork | ServiceWork) else "",
            release=identity.release,
            run=identity.run,
        )
        try:
            await hold.record({"what": "failure ignored", "step": start.step_id}, change)
        except TargetError as error:
            return StepEnd(Outcome.UNKNOWN, error.beside(start.target), end.status, end.tail)
        return end

    def stoppable(self, start: Start) -> bool:
        """Whatever runs may be cancelled, but for a package step: it ends by itself, before its switch or after it."""
        return not isinstance(self.steps[start.step_id].planned[start.target].work, PackageWork)

    async def _attempt(self, step: Step, planned: Planned, voice: StepVoice) -> StepEnd:
        assert planned.work is not None, "the schedule settles what has nothing to do"
        hold = self.holds.get(voice.target)
        if hold is not None and hold.lost and hold.gone:
            return StepEnd(Outcome.SKIPPED, "this target was not locked")
        if hold is not None and hold.lost:
            return StepEnd(Outcome.UNKNOWN, hold.lost)
        try:
            if hold is not None:
                await hold.assure_after_sleep()
            for condition in planned.conditions:
                if not await asyncio.to_thread(self.context.holds, condition, voice.target):
                    return await self._left_out(step, hold)
            if step.on_controller:
                return await self._on_controller(step, hold, planned.work, voice)
            assert hold is not None, "a target on which something is due is held"
            return await self._on_target(step, hold, planned.work, voice)
        except HostKeyRefused as error:  # at a reconnect: SPEC section 5
            return StepEnd(Outcome.UNKNOWN, error.beside(voice.target))
        except (ConnectionLost, TargetTimeout, LeaseLost) as error:  # what came of it was not seen
            return StepEnd(Outcome.UNKNOWN, voice.masked(error.beside(voice.target)), tail=voice.tail())
        except OctoError as error:
            return voice.failure(error)

    async def _on_target(self, step: Step, hold: Hold, work: Work, voice: StepVoice) -> StepEnd:
        match work:
            case ScriptWork():
                return await self._script(step, hold, work, voice)
            case ProbeWork():
                return await self._check(step, hold, work, voice)
            case PackageWork():
                return await self._deploy(step, hold, work, voice)
            case FileWork():
                return await FilePlacement(self.context, hold, step, work, voice).run()
            case ServiceWork():
                return await ServiceChange(self.context, hold, step, work, voice).run()
            case ApproveWork():
                raise AssertionError("nobody is asked on a target")
            case _:
                assert_never(work)

    async def _on_controller(self, step: Step, hold: Hold | None, work: Work, voice: StepVoice) -> StepEnd:
        """Here; for a target where there is one, which then remembers it."""
        identity = self.context.identity
        match work:
            case ScriptWork():
                end = await run_script(self.controller, work, voice)
                self.context.outputs.take(step.id, voice.target, voice.outputs)
                if hold is None and end.outcome.is_good:
                    await self._remember_everywhere(step, voice.outputs)
            case ProbeWork():
                end = await probe(self.controller, work, voice)
            case ApproveWork(text):
                about = await asyncio.to_thread(self.context.word, text, voice.target)
                given = await self.context.approve(step.id, about)
                end = StepEnd(*((Outcome.UNCHANGED, "approved") if given else (Outcome.FAILED, "not approved")))
            case PackageWork() | FileWork() | ServiceWork():
                raise AssertionError("config refuses this step on the controller")
            case _:
                assert_never(work)
        if hold is not None:
            said = to_remember(voice.outputs, identity.release, identity.run)
            change = None
            if end.outcome.is_good:
                change = partial(
                    baseline.script_succeeded,
                    step=step.id,
                    digest="",
                    release=identity.release,
                    run=identity.run,
                    outputs=said,
                )
            await hold.record({**_ended(step, end), "on": "controller"}, change)
        return end

    async def _remember_everywhere(self, step: Step, said: Said) -> None:
        """What was said on the controller is for later runs too: every target that this one holds remembers it."""
        identity = self.context.identity
        outputs = to_remember(said, identity.release, identity.run)
        line = {"what": "outputs", "step": step.id, "on": "controller"}

        async def on(hold: Hold) -> None:
            with contextlib.suppress(TargetError):  # the next step there meets it too, and tells of it
                await hold.record(line, partial(baseline.with_outputs, step=step.id, outputs=outputs))

        concerned = [hold for hold in self.holds.values() if outputs is not None or step.id in hold.baseline.outputs]
        await asyncio.gather(*(on(hold) for hold in concerned if not hold.lost))

    async def _script(self, step: Step, hold: Hold, work: ScriptWork, voice: StepVoice) -> StepEnd:
        if work.owes:
            await hold.record({"what": "changing", "step": step.id}, partial(baseline.owing, debts=work.owes))
        end = await (run_and_wait(hold, work, voice) if work.reboots else run_script(hold, work, voice))
        self.context.outputs.take(step.id, hold.name, voice.outputs)
        release, run = self.context.identity.release, self.context.identity.run

        def succeeded(before: Baseline) -> Baseline:
            said = to_remember(voice.outputs, release, run)
            after = baseline.script_succeeded(
                before, step=step.id, digest=work.digest, release=release, run=run, outputs=said
            )
            asks = isinstance(step.kind, RunStep) and step.kind.unless is not None
            return baseline.holding(after, (step.id,)) if asks else after

        await hold.record(_ended(step, end), succeeded if end.outcome is Outcome.CHANGED else None)
        return end

    async def _deploy(self, step: Step, hold: Hold, work: PackageWork, voice: StepVoice) -> StepEnd:
        key = (step.id, hold.target.name)
        deployment = Deployment(self.context, hold, step, work, voice, is_built=key in self.built)
        try:
            return await deployment.run()
        finally:
            self.context.outputs.take(step.id, hold.name, deployment.said)
            if deployment.is_built:
                self.built.add(key)

    async def _check(self, step: Step, hold: Hold, work: ProbeWork, voice: StepVoice) -> StepEnd:
        end = await probe(hold, work, voice)
        passed = end.outcome is Outcome.UNCHANGED
        await hold.record(_ended(step, end), partial(baseline.check_ended, step=step.id, passed=passed))
        return end

    async def _left_out(self, step: Step, hold: Hold | None) -> StepEnd:
        """``when`` turned out false: the step is not due any more."""
        end = StepEnd(Outcome.SKIPPED, "'when' is false here")
        if hold is not None:
            await hold.record(_ended(step, end), partial(baseline.settled, step=step.id))
        return end


def _ended(step: Step, end: StepEnd) -> dict[str, str | int | None]:
    return {"what": "step ended", "step": step.id, "outcome": end.outcome.value, "status": end.status}

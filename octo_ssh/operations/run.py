"""One apply, from survey to summary: its phases, its locks, what an interrupt does to it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from octo_ssh.config.masking import masked_text
from octo_ssh.errors import ConnectionLost, ExitCode, LeaseLost, Refused, StateError, TargetError, combine
from octo_ssh.execution.baseline import forgetting
from octo_ssh.execution.context import RunContext, RunIdentity, StepEnd
from octo_ssh.execution.coordinator import Coordinator
from octo_ssh.execution.engine import Engine
from octo_ssh.execution.fence import fence_all
from octo_ssh.execution.hold import Hold
from octo_ssh.execution.joining import goes_on
from octo_ssh.execution.outputs import Outputs
from octo_ssh.execution.push import push_all
from octo_ssh.execution.seat import ControllerSeat
from octo_ssh.execution.steady import LEAVING_PATIENCE_S
from octo_ssh.model.events import (
    Choice,
    Emit,
    Event,
    Interrupted,
    PhaseStarted,
    RunEnded,
    RunHalted,
    StepEnded,
    TargetLost,
    TargetResult,
)
from octo_ssh.model.observed import Baseline
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER
from octo_ssh.model.work import PackageWork, ProbeWork, RunPlan, ScriptWork, Work
from octo_ssh.operations.approvals import Approvals
from octo_ssh.operations.derived import remember_digests
from octo_ssh.operations.interrupt import Interrupts
from octo_ssh.operations.locks import Joins, LockQueue, is_left_behind, lock_all, nobody_joins, release_all
from octo_ssh.operations.prepare import Prepared
from octo_ssh.operations.requests import ApplyOptions
from octo_ssh.output.commit import GroupCommit
from octo_ssh.output.plan_view import changes, to_change
from octo_ssh.output.words import amount
from octo_ssh.packages.bundle import Bundles
from octo_ssh.planning.exit import exit_code, next_command, results, target_outcome
from octo_ssh.planning.schedule import Schedule, Start

ATTEMPTS = 3
"""How often targets that somebody else changed under our eyes are observed again before we give up."""


@dataclass(slots=True)
class Run:
    """One apply. ``survey`` looks and decides; everything after it happens here."""

    identity: RunIdentity
    options: ApplyOptions
    emit: Emit
    sync: Callable[[], None]
    """Puts the events so far on disk."""
    survey: Callable[[], Awaitable[Prepared]]
    bundles: Bundles
    approvals: Approvals
    controller: ControllerSeat
    state: Path
    """The user's state folder."""
    artifacts: Path
    """Where scripts' artifacts go."""
    holds: dict[str, Hold] = field(default_factory=dict, init=False)
    schedule: Schedule | None = field(default=None, init=False)
    prepared: Prepared | None = field(default=None, init=False)
    context: RunContext | None = field(default=None, init=False)
    coordinator: Coordinator | None = field(default=None, init=False)
    reasons: dict[str, str] = field(default_factory=dict, init=False)
    """By target: why it did not end well."""
    _work: asyncio.Task[None] | None = field(default=None, init=False)

    async def to_the_end(self) -> ExitCode:
        """Whatever happens, leases are given back and the summary is told. Raises OctoError before the first change."""
        began = asyncio.get_running_loop().time()
        failure: StateError | None = None
        with Interrupts(self._interrupt) as interrupts:
            self._work = asyncio.create_task(self._phases())
            try:
                await self._work
            except asyncio.CancelledError:
                if not interrupts.came:
                    raise
            except StateError as error:  # the record cannot be kept: people are told how it ended all the same
                if self.coordinator is None:
                    raise
                failure = error
            finally:
                await release_all(self.holds.values(), self._outcome_of, self._kept)
        interrupted = bool(interrupts.came)
        ends = self._results()
        code = exit_code(ends, interrupted=interrupted)
        # also where a failure is ignored (SPEC section 5)
        went_back = self.context is not None and bool(self.context.went_back)
        if went_back or failure is not None:
            code = combine((code, ExitCode.FAILED))
        seconds = asyncio.get_running_loop().time() - began
        # what was typed may hold a secret: --var token=…
        known = self.prepared.loaded.secrets.known() if self.prepared is not None else ()
        command = masked_text(next_command(self.options.command, ends), known)
        self.emit(RunEnded(self.identity.run, int(code), seconds, ends, command))
        if failure is not None:
            raise failure
        self.sync()
        return code

    def _tell(self, event: Event) -> None:
        match event:
            case TargetLost(target=target, reason=reason):
                self.reasons[target] = reason
            case StepEnded(target=target, outcome=outcome, reason=reason, ignored=False) if not outcome.is_good:
                self.reasons.setdefault(target, reason)
            case _:
                pass
        self.emit(event)

    def _results(self) -> tuple[TargetResult, ...]:
        if self.schedule is None or self.prepared is None:
            return ()
        releases = {name: seen.baseline.release for name, seen in self.prepared.observed.items()}
        # who was overtaken does not know where the target is now
        releases |= {
            name: None if hold.lost and hold.epoch else hold.baseline.release for name, hold in self.holds.items()
        }
        return results(self.schedule, reasons=self.reasons, releases=releases)

    def _interrupt(self, name: str) -> None:
        self.emit(Interrupted(name))
        for hold in self.holds.values():
            hold.session.patience_s = LEAVING_PATIENCE_S
        if self.context is not None:
            self.context.interruption.set()
        if self.coordinator is not None:
            self.coordinator.interrupt()
        elif self._work is not None:
            self._work.cancel()

    async def _phases(self) -> None:
        self.prepared = await self.survey()
        plan = self._decide(self.prepared)
        self.schedule = Schedule(plan)
        self.context = self._new_context(self.prepared)
        acts = self._to_lock(self.prepared, plan) and not self.schedule.halted
        if not (acts or self.schedule.controller_acts):
            if plan.changing and self.schedule.halted:
                self._tell(RunHalted(self.schedule.halted))
            return
        await self._consent(self.prepared, plan, self.schedule)
        built: set[tuple[str, str]] = set()
        if acts:
            plan = await self._lock(self.prepared, self.context, plan)
            self.sync()
            remember_digests(self.state, _manifests(plan))
            built = await self._push(self.context, plan)
        await self._steps(self.prepared, self.context, plan, built)

    def _decide(self, prepared: Prepared) -> RunPlan:
        """What was seen makes a plan. Raises Refused where that is not the plan that was saved."""
        plan = prepared.decide()
        if self.options.check is not None:
            self.options.check(plan, prepared.observed)
        return plan

    async def _steps(self, prepared: Prepared, context: RunContext, plan: RunPlan, built: set[tuple[str, str]]) -> None:
        assert self.schedule is not None
        self._tell(PhaseStarted("steps"))
        steps = {step.step.id: step for step in plan.walk()}
        context.outputs.remember(prepared.observed, plan)
        engine = Engine(context, self.holds, self.controller, steps, built)

        async def decide(start: Start, end: StepEnd) -> Choice:
            return await self.approvals.decide(start, end, name=steps[start.step_id].step.name)

        async def approve(step_id: str) -> bool:
            return await self._approve(step_id, "the canary is done")

        self.coordinator = Coordinator(
            self.schedule,
            engine.carry_out,
            engine.stoppable,
            self._tell,
            decide=decide if self._is_guided(prepared) else None,
            approve=approve,
            ignored=engine.ignored,
            by=self.identity.user,
        )
        await self.coordinator.run()
        self._tell(PhaseStarted("record"))

    async def _approve(self, step_id: str, about: str) -> bool:
        answer = await self.approvals.approve(step_id, about)
        self._tell(answer)
        return answer.given

    def _is_guided(self, prepared: Prepared) -> bool:
        environment = prepared.loaded.inventory.environments.get(prepared.loaded.environment or "")
        wanted = self.options.guided or (environment is not None and environment.guided)
        return wanted and self.options.person is not None

    async def _consent(self, prepared: Prepared, plan: RunPlan, schedule: Schedule) -> None:
        """All that must be so before anything changes. Raises Refused."""
        if not schedule.halted:  # else nobody is asked anything: the end is told, where that is wanted
            self.approvals.refuse_missing(plan)
            await self._ask(prepared, plan)
        if any(isinstance(work, ScriptWork | ProbeWork) for work in _here(plan)):
            self.controller.check()

    async def _ask(self, prepared: Prepared, plan: RunPlan) -> None:
        """An environment with ``confirm: true`` wants a yes (SPEC section 5)."""
        environment = prepared.loaded.inventory.environments.get(plan.environment or "")
        if environment is None or not environment.confirm or self.options.yes or not changes(plan):
            return
        what = f"{plan.project} {plan.release}" if plan.release else plan.project
        if self.options.person is None:
            raise Refused(
                f"{environment.name} asks for a confirmation, and nobody is here to give it",
                hint="nothing was changed; with --yes it counts as given",
            )
        count = to_change(plan)
        where = f"to {amount(count, 'target')} of" if count else f"on the {CONTROLLER}, for"
        if not await self.options.person.confirm(f"Apply {what} {where} {environment.name}?"):
            raise Refused(f"not confirmed: {what} was not applied to {environment.name}")

    def _new_context(self, prepared: Prepared) -> RunContext:
        return RunContext(
            identity=self.identity,
            emit=self._tell,
            on_disk=GroupCommit(self.sync),
            now=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"),
            secrets=prepared.loaded.secrets,
            packages=prepared.packages,
            bundles=self.bundles,
            configured=prepared.configured,
            files=prepared.file_bytes,
            outputs=Outputs(prepared.loaded.secrets, {step.id: step.name for step in prepared.loaded.plan.walk()}),
            artifacts=self.artifacts,
            connect=prepared.fleet.connector.connect,
            approve=self._approve,
            run_outcome=lambda: self.schedule.run_outcome if self.schedule is not None else "success",
        )

    def _to_lock(self, prepared: Prepared, plan: RunPlan) -> tuple[str, ...]:
        """The targets that change, are to remember, or are still held by a run that was killed here: what that left is
        taken away, also where nothing else is to do.
        """
        seen = prepared.observed
        return tuple(
            name
            for name in plan.targets
            if name in seen and (name in plan.changing or is_left_behind(self.state, seen[name]))
        )

    async def _lock(self, prepared: Prepared, context: RunContext, plan: RunPlan) -> RunPlan:
        """Lock what is to be locked. Targets whose journal moved since are observed, and all is decided, again."""
        self._tell(PhaseStarted("lock"))
        wait_s = self.options.lock_wait_s
        queue = LockQueue(self.state, self.identity.run, wait_s, asyncio.get_running_loop().time() + wait_s)
        for _ in range(ATTEMPTS):
            self.schedule = Schedule(plan)
            self.holds = {
                name: Hold(
                    context=context,
                    target=prepared.loaded.inventory.targets[name],
                    session=prepared.fleet.steady[name],
                    observed=prepared.observed[name],
                    token=secrets.token_hex(8),
                )
                for name in self._to_lock(prepared, plan)
            }
            joins: Joins = partial(goes_on, plan, context)
            if prepared.options.redeploy:
                joins = nobody_joins
                for hold in self.holds.values():
                    hold.outdate()
            due = _due(plan)
            failed, moved = await lock_all(self.holds, due, queue, _known(prepared), joins, plan.renaming)
            if not moved:
                failed = {**failed, **await fence_all(self.holds, plan)}
                for name, error in failed.items():
                    self._leave(name, error)
                return plan
            await prepared.look(moved)
            was_asked = changes(plan)
            plan, context.files = self._decide(prepared), prepared.file_bytes
            if not was_asked and changes(plan):
                await self._consent(prepared, plan, Schedule(plan))
        raise Refused(
            f"other runs kept changing {', '.join(moved)} while they were looked at",
            hint="apply again when they are done",
        )

    async def _push(self, context: RunContext, plan: RunPlan) -> set[tuple[str, str]]:
        """Send every package to every target before the first step; by step id and target, what is laid out."""
        jobs = [
            (self.holds[target], step.step.id, planned.work)
            for step in plan.walk()
            for target, planned in step.planned.items()
            if isinstance(planned.work, PackageWork) and planned.work.build and self._holds(target)
        ]
        if not jobs:
            return set()
        self._tell(PhaseStarted("push"))
        ends = await push_all(context, jobs, at_once=plan.max_parallel)
        built: set[tuple[str, str]] = set()
        for target, end in ends.items():
            if isinstance(end, TargetError):
                self._leave(target, end)
            elif isinstance(end, Exception):
                raise end
            else:
                built |= {(step_id, target) for step_id, is_laid_out in end.items() if is_laid_out}
        return built

    def _holds(self, target: str) -> bool:
        return target in self.holds and not self.holds[target].gone

    def _leave(self, target: str, error: TargetError) -> None:
        """The target leaves the run outside a step."""
        outcome = Outcome.UNKNOWN if isinstance(error, ConnectionLost | LeaseLost) else Outcome.FAILED
        self.holds[target].gone = True
        known = () if self.context is None else self.context.secrets.known()
        reason, hint = (masked_text(text, known) for text in (error.beside(target), error.hint))
        self._tell(TargetLost(target, outcome, reason, hint))
        if self.schedule is not None:
            self.schedule.left(target, outcome)

    def _outcome_of(self, target: str) -> str:
        """What the last journal line of a target says of the run there."""
        return target_outcome(self.schedule, target).value if self.schedule is not None else "not begun"

    def _kept(self, hold: Hold) -> Baseline | None:
        """A success ends the memory of steps that the plan has no more; None: all of it stays."""
        schedule = self.schedule
        if schedule is None or hold.name not in schedule.plan.forgetting:
            return None
        if target_outcome(schedule, hold.name) not in (Outcome.CHANGED, Outcome.UNCHANGED):
            return None
        if any(target == hold.name for _, target in hold.context.went_back):  # also where that is ignored
            return None
        return forgetting(hold.baseline, schedule.plan.forgetting[hold.name])


def _known(prepared: Prepared) -> frozenset[str] | None:
    """The steps that there are; None: a runbook, which cannot tell for other plans."""
    plan = prepared.loaded.plan
    return frozenset(step.id for step in plan.walk()) if plan.packages else None


def _here(plan: RunPlan) -> Iterator[Work]:
    """What may be done on the controller."""
    for step in plan.walk():
        if step.step.on_controller:
            yield from (planned.work for planned in step.planned.values() if planned.work is not None)


def _manifests(plan: RunPlan) -> Iterator[str]:
    """Digests of the releases that the run brings."""
    for step in plan.walk():
        for planned in step.planned.values():
            if isinstance(planned.work, PackageWork):
                yield planned.work.manifest.sha256


def _due(plan: RunPlan) -> Mapping[str, tuple[str, ...]]:
    """By target: the steps that were decided to be done there. What only remembers is none: nothing is owed where it
    does not happen.
    """
    due: dict[str, tuple[str, ...]] = {}
    for step in plan.walk():
        for target, planned in step.planned.items():
            if planned.acts:
                due[target] = (*due.get(target, ()), step.step.id)
    return due

"""The service step: bring a systemd unit to its state, and restart it where that is due (SPEC section 4)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from octo_ssh.execution import baseline
from octo_ssh.execution.context import RunContext, StepEnd
from octo_ssh.execution.hold import Hold
from octo_ssh.execution.voice import StepVoice
from octo_ssh.model.observed import ServiceBaseline, ServiceSeen
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import ServiceStep, Step
from octo_ssh.model.work import ServiceWork
from octo_ssh.planning.services import is_right
from octo_ssh.planning.unit_files import acceptance, accepted
from octo_ssh.remote.resources import look
from octo_ssh.remote.service import service


@dataclass(slots=True)
class ServiceChange:
    """One service step on one target."""

    context: RunContext
    hold: Hold
    step: Step
    work: ServiceWork
    voice: StepVoice

    async def run(self) -> StepEnd:
        """Act and observe again; what is right already is only remembered. Raises TargetErrors, FileErrors,
        SecretError.
        """
        work, hold = self.work, self.hold
        unit = await asyncio.to_thread(self.context.word, work.service, hold.name)
        restart = work.restart or baseline.owes(hold.baseline, step=self.step.id, what="restart")
        # What is restarted may have been, since it was seen: which start is to end is asked just before.
        seen = None if restart else work.seen
        before = seen or (await hold.session.observe(look((), {self.step.id: unit}))).services[self.step.id]
        after = before
        if restart or not self._is_right(before):
            hold.outdate()
            if work.owes:
                await hold.record({"what": "changing", "step": self.step.id}, partial(baseline.owing, debts=work.owes))
            after = await hold.session.act(
                service(unit, state=work.state, enabled=work.enabled, restart=restart, since=before.start),
                sudo=await hold.sudo(work.sudo_user),
                timeout_s=self.step.timeout_s,
            )
        left = hold.baseline.services.get(self.step.id)
        user = hold.observed.facts.remembered_user(work.sudo_user)
        accepts = work.accepts
        if not before.unit_sha256 and before.load != "not-found":  # nobody could read them before the step itself did
            accepts = accepted(left, unit, after, work.written)
        changed = restart or (before.active, before.enabled) != (after.active, after.enabled)
        outcome = Outcome.CHANGED if changed else Outcome.UNCHANGED
        await hold.record(
            {"what": "step ended", "step": self.step.id, "outcome": outcome.value}
            | ({"accepted": list(accepts)} if accepts else {}),
            partial(
                baseline.service_succeeded,
                step=self.step.id,
                state=_remembered(work, unit, after, user, left),
                digest=work.digest,
                release=self.context.identity.release,
                run=self.context.identity.run,
            ),
        )
        said = _said(unit, before, after, restarted=restart and after.active == "active")
        return StepEnd(outcome, said + acceptance(accepts))

    def _is_right(self, seen: ServiceSeen) -> bool:
        assert isinstance(self.step.kind, ServiceStep)
        return is_right(self.step.kind, seen)


def _remembered(
    work: ServiceWork, unit: str, seen: ServiceSeen, user: str, left: ServiceBaseline | None
) -> ServiceBaseline:
    """What the step says of the unit, and its files, whoever wrote them. ``user``: who looks at it. Of files that could
    not be read, what was ``left`` stays.
    """
    unit_sha256, files = seen.unit_sha256, seen.files
    if not unit_sha256:
        is_same = seen.load not in ("not-found", "masked") and left is not None and left.service == unit
        unit_sha256, files = (left.unit_sha256, left.files) if is_same and left is not None else ("", {})
    return ServiceBaseline(
        unit,
        active=seen.active if work.state is not None else "",
        enabled=seen.enabled if work.enabled is not None else "",
        unit_sha256=unit_sha256,
        user=user,
        files=files,
    )


def _said(unit: str, before: ServiceSeen, after: ServiceSeen, *, restarted: bool) -> str:
    told = ["restarted"] if restarted else []
    if before.active != after.active:
        told.append(f"{before.active or 'not there'} → {after.active}")
    if before.enabled != after.enabled:
        told.append(f"{before.enabled or 'not there'} → {after.enabled}")
    return f"{unit}: {', '.join(told) or after.active}"

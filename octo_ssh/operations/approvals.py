"""What people say to a run: approvals and decisions, typed before or asked for on the terminal (SPEC section 4)."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from octo_ssh.errors import Refused, UsageError
from octo_ssh.execution.context import StepEnd
from octo_ssh.model.events import ApprovalGiven, Choice
from octo_ssh.model.plan import ApproveStep, GroupStep, ReleasePlan, Step
from octo_ssh.model.words import nearest, quoted_list
from octo_ssh.model.work import PlannedStep, RunPlan
from octo_ssh.operations.requests import ApplyOptions, Asker
from octo_ssh.planning.schedule import Start


@dataclass(frozen=True, slots=True)
class Approvals:
    """Who may be asked, and what was said before the run."""

    steps: Mapping[str, Step]
    """By id: those that ask."""
    notes: Mapping[str, str]
    """By step id: what ``--approve`` said."""
    person: Asker | None

    @classmethod
    def of(cls, plan: ReleasePlan, options: ApplyOptions) -> Approvals:
        """Raises UsageError for ``--approve`` of what asks for nothing."""
        steps = {step.id: step for step in plan.walk() if _asks(step)}
        by_word = {word: step.id for step in steps.values() for word in (step.id, step.name)}
        notes: dict[str, str] = {}
        for word, note in options.approvals.items():
            if word not in by_word:
                known = nearest(word, by_word) or (
                    f": those that ask are {quoted_list(step.name for step in steps.values())}"
                    if steps
                    else ": no step of this plan asks for an approval"
                )
                raise UsageError(f"--approve: there is no approval '{word}'{known}")
            notes[by_word[word]] = note
        return cls(steps, notes, options.person)

    def refuse_missing(self, plan: RunPlan) -> None:
        """Found before anything changes: what will be asked, where nobody can answer. Raises Refused."""
        if self.person is not None:
            return
        missing = [self.steps[step_id] for step_id in _will_ask(plan) if step_id not in self.notes]
        if missing:
            flags = " ".join(f'--approve "{step.name}=NOTE"' for step in missing)
            raise Refused(
                f"{quoted_list(step.name for step in missing)} will ask for an approval, and nobody is here to give it",
                hint=f"nothing was changed; give it with {flags}, or run this on a terminal",
            )

    async def approve(self, step_id: str, about: str) -> ApprovalGiven:
        """What is said to an ``approve`` step or a ``pause: approve``."""
        step, note = self.steps[step_id], self.notes.get(step_id)
        if note is not None:
            given = True
        elif self.person is not None:
            given = await self.person.confirm(_question(step.name, about))
        else:
            given = False
        return ApprovalGiven(step_id, given, getpass.getuser(), note or "")

    async def decide(self, start: Start, end: StepEnd, *, name: str) -> Choice:
        """What is to be done about a failed step. Only where somebody can be asked."""
        assert self.person is not None
        why = end.reason.split("\n")[0]  # the rest was shown with the failure
        question = f"{name} failed on {start.target}: {why}. What now?"
        return Choice(await self.person.choose(question, [choice.value for choice in Choice]))


def _question(name: str, about: str) -> str:
    """In one sentence or two; ``about`` may itself be a question."""
    if not about.strip():
        return f"{name}: go on?"
    end = "" if about.rstrip()[-1] in ".?!" else "."
    return f"{name}: {about.rstrip()}{end} Go on?"


def _asks(step: Step) -> bool:
    match step.kind:
        case ApproveStep():
            return True
        case GroupStep(rolling=rolling):
            return rolling is not None and rolling.asks
        case _:
            return False


def _will_ask(plan: RunPlan) -> Iterator[str]:
    """Ids of the steps that ask if all goes well."""
    for step in plan.walk():
        if isinstance(step.step.kind, ApproveStep):
            if any(planned.due for planned in step.planned.values()):
                yield step.step.id
        elif step.window is not None and step.window.asks and len(_busy(step)) > step.window.canary:
            yield step.step.id


def _busy(step: PlannedStep) -> set[str]:
    """The targets on which it, or a step inside it, is due and does more than remember."""
    here = {target for target, planned in step.planned.items() if planned.acts}
    return here.union(*map(_busy, step.children))

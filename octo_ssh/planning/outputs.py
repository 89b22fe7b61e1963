"""Outputs of steps, as far as they can be told before a run: who reads whose, what is remembered (SPEC section 4)."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from octo_ssh.config.templates import StepOutputs as Steps
from octo_ssh.config.templates import output_uses
from octo_ssh.model.observed import Baseline, Observed, StepOutputs
from octo_ssh.model.plan import CONTROLLER, GroupStep, ReleasePlan
from octo_ssh.model.work import (
    ApproveWork,
    FileWork,
    HttpWork,
    LateText,
    PackageWork,
    ProbeWork,
    ScriptValue,
    ScriptWork,
    ServiceWork,
    Work,
)

STEP_IDS = "OCTO_STEP_IDS"
"""For Octopus's functions: a line a step, its name and its id, divided by a tab."""
T = TypeVar("T")
_OCTOPUS = re.compile(r"Octopus\.Action\[([^\]\n]*)\]", re.IGNORECASE)


def steps_read(plan: ReleasePlan, text: str | None) -> tuple[str, ...]:
    """Ids of the steps whose outputs the text of a script names, in the order of the plan; none of one that was not
    read (None).

    It names one with ``OCTO_OUTPUT_<ID>_…`` or ``Octopus.Action[<name or id>]``. Which of its outputs, only the run
    tells; templates in its environment say that exactly, and are no matter of its text.
    """
    named = {word.strip().casefold() for word in _OCTOPUS.findall(text or "")}
    return tuple(
        step.id
        for step in plan.walk()
        if not isinstance(step.kind, GroupStep)
        and (not named.isdisjoint({step.id, step.name.casefold()}) or f"OCTO_OUTPUT_{step.id.upper()}_" in (text or ""))
    )


def step_ids(plan: ReleasePlan, text: str | None) -> dict[str, str]:
    """``OCTO_STEP_IDS``, for a script that may ask for outputs by the names of steps."""
    if text is not None and "octopus.action" not in text.casefold():
        return {}
    steps = [step for step in plan.walk() if not isinstance(step.kind, GroupStep)]
    return {STEP_IDS: "".join(f"{step.name}\t{step.id}\n" for step in steps)}


def uses(work: Work) -> tuple[str, ...]:
    """Ids of the steps whose outputs a step's work depends on, each once."""
    late = (step for text in _late(work) for step in text.after)
    return tuple(dict.fromkeys((*late, *(step for one in _scripts(work) for step in one.reads))))


@dataclass(frozen=True, slots=True)
class Reading:
    """An output that a step needs when its turn comes."""

    step: str
    target: str | None
    """None: the output that counts where the reader is."""
    name: str | None
    """None: any of them, for a script's text does not tell."""


def readings(work: Work, conditions: Iterable[LateText]) -> tuple[Reading, ...]:
    """The outputs that a step's work and its ``when`` need, each once."""
    used = (use for text in (*_late(work), *conditions) for use in output_uses(text.template))
    named = (Reading(step, None, None) for script in _scripts(work) for step in script.reads)
    return tuple(dict.fromkeys((*(Reading(use.step, use.target, use.name) for use in used), *named)))


def by_age(
    observed: Mapping[str, Observed], release: str | None, each: Mapping[str, Container[str]]
) -> list[tuple[str, str, StepOutputs]]:
    """What targets remember, by step id and place: the latest last, and what this release said after all else.

    ``each``: by step id, the places that the step speaks for one by one. What a step said on the controller is
    remembered on targets, by every run on those that it held.
    """
    rows = [
        (step, CONTROLLER if CONTROLLER in each.get(step, ()) else name, said)
        for name, seen in observed.items()
        for step, said in seen.baseline.outputs.items()
    ]
    return sorted(rows, key=lambda row: (row[2].release == (release or ""), row[2].run))


def only_own(name: str, baseline: Baseline, reach: Mapping[str, Container[str]]) -> Baseline:
    """What a target remembers, without outputs of steps of the plan that are not for it: others read them, and it may
    lie. ``reach``: the targets of each step, by its id.

    What a step said on the controller is remembered by all that the run held.
    """

    def is_own(step: str) -> bool:
        return step not in reach or name in reach[step] or CONTROLLER in reach[step]

    return replace(baseline, outputs={step: said for step, said in baseline.outputs.items() if is_own(step)})


def that_counts(
    step: str, place: str, said: Mapping[str, T], latest: str, each: Mapping[str, Container[str]]
) -> T | None:
    """What a reader at a place takes for a step's outputs: those of the place if the step speaks for it, else the
    latest; never what the place remembers of a step that has since run elsewhere.
    """
    return said.get(place if place in each.get(step, ()) else latest)


class Outlook:
    """What outputs will be when a step's turn comes: as targets remember them, unless a step of this run gives new
    ones. Secret ones are remembered nowhere.
    """

    def __init__(
        self, observed: Mapping[str, Observed], release: str | None, each: Mapping[str, Container[str]]
    ) -> None:
        """``each``: by step id, the places that the step speaks for one by one: none reads what another said."""
        self._each = each
        self.due: set[str] = set()
        """Ids of the steps that are due anywhere."""
        self.secret: dict[str, dict[str, frozenset[str]]] = {}
        """By step id and place: the names of the secret outputs that its last success gave there."""
        self._said: dict[str, dict[str, Mapping[str, str]]] = {}
        self._latest: dict[str, str] = {}
        for step, place, outputs in by_age(observed, release, each):
            self._said.setdefault(step, {})[place] = outputs.values
            self._latest[step] = place
            self.secret.setdefault(step, {})[place] = outputs.secret

    def known(self, steps: Iterable[str], place: str) -> Steps | None:
        """What ``steps`` is in templates at a place; None where one of these steps is still to speak.

        ``output`` is what counts at the place.
        """
        if not self.due.isdisjoint(steps):
            return None
        return {step: {"output": self._own(step, place), "outputs": said} for step, said in self._said.items()}

    def remembers(self, step: str, place: str) -> bool:
        """Whether anybody remembers what the step said there."""
        return place in self._said.get(step, {})

    def _own(self, step: str, place: str) -> Mapping[str, str]:
        return that_counts(step, place, self._said[step], self._latest[step], self._each) or {}


def _late(work: Work) -> Iterator[LateText]:
    """The texts of a step's work that use outputs."""
    for script in _scripts(work):
        yield from _texts(*script.env.values(), script.cwd)
    match work:
        case ProbeWork(what=HttpWork(url, contains)):
            yield from _texts(url, contains)
        case PackageWork(verify=ProbeWork(what=HttpWork(url, contains))):
            yield from _texts(url, contains)
        case FileWork(path=path, owner=owner, group=group, wanted=wanted):
            yield from _texts(path, owner, group, wanted.late if wanted is not None else None)
        case ServiceWork(service=word) | ApproveWork(text=word):
            yield from _texts(word)
        case _:
            return


def _scripts(work: Work) -> Iterator[ScriptWork]:
    match work:
        case ScriptWork():
            yield work
        case ProbeWork(what=ScriptWork() as script):
            yield script
        case FileWork(on_change=ScriptWork() as script):
            yield script
        case PackageWork(conventions=conventions, activate=activate, verify=verify):
            yield from conventions.values()
            for part in (activate, verify):
                yield from () if part is None else _scripts(part)
        case _:
            return


def _texts(*values: ScriptValue | None) -> Iterator[LateText]:
    return (value for value in values if isinstance(value, LateText) and value.after)

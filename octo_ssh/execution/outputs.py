"""The outputs of a run's steps: what scripts said, on top of what targets remember of earlier runs (SPEC section 4)."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import Position
from octo_ssh.model.observed import Observed, StepOutputs
from octo_ssh.model.values import OutputSource, Secret, SecretRef, shell_name
from octo_ssh.model.work import RunPlan, ScriptValue
from octo_ssh.planning.outputs import by_age, that_counts

MAX_UNASKED_BYTES = 256 * 1024
"""Of values that a script gets without naming the step that gave them: a program can inherit 2 MiB, if not less."""
MAX_LIST_BYTES = 96 * 1024
"""Of one OCTO_OUTPUTS: a variable can hold 128 KiB."""
_NOWHERE = Position("")

Said = Mapping[str, str | SecretRef]
"""A step's outputs at one place, by name."""


@dataclass(slots=True)
class Outputs:
    """Who said what, as of now. A place is a target's name, or CONTROLLER."""

    secrets: SecretStore
    names: Mapping[str, str]
    """Step names by id."""
    _said: dict[str, dict[str, Said]] = field(default_factory=dict, init=False)
    """By step id and place."""
    _latest: dict[str, str] = field(default_factory=dict, init=False)
    """By step id: the place that counts where a reader has none of its own."""
    _each: dict[str, frozenset[str]] = field(default_factory=dict, init=False)
    """By step id: the targets that the step speaks for one by one. One of them never reads what another said."""
    _hidden: int = field(default=0, init=False)

    def remember(self, observed: Mapping[str, Observed], plan: RunPlan) -> None:
        """Begin with what targets remember: of a step that ran once, here and there, this release's latest counts."""
        self._each = {step.step.id: frozenset(step.targets) for step in plan.walk() if not step.step.once}
        for step, place, said in by_age(observed, plan.release, self._each):
            if step in self.names:
                self.take(step, place, said.values)

    def take(self, step: str, place: str, said: Said) -> None:
        """A script of the step has ended there; what it said replaces what was said before."""
        self._said.setdefault(step, {})[place] = dict(said)
        self._latest[step] = place

    def secret(self, step: str, place: str, name: str, value: Secret) -> SecretRef:
        """Take a secret output into keeping. Raises SecretError for one that cannot be masked."""
        ref = SecretRef(OutputSource(step, place, name), _NOWHERE)
        self.secrets.remember(ref, value.reveal())
        return ref

    def hide(self, value: Secret) -> None:
        """A script asked for something to be masked that is no output. Raises SecretError."""
        self._hidden += 1
        self.secrets.remember(SecretRef(OutputSource("", "", str(self._hidden)), _NOWHERE), value.reveal())

    def steps(self, place: str) -> Mapping[str, Any]:
        """What ``steps`` is in templates for a reader at this place."""
        return {
            step: {"output": self._own(step, place), "outputs": dict(said)} for step, said in self._said.items() if said
        }

    def exported(self, place: str, reads: Iterable[str]) -> dict[str, ScriptValue]:
        """``OCTO_OUTPUT_<ID>_<NAME>`` for a script at this place: all of the steps it reads, and of the others what is
        no secret, unless that is too much.
        """
        read = frozenset(reads)
        env: dict[str, ScriptValue] = {}
        unasked: dict[str, str] = {}
        for step in self._said:
            for name, value in self._own(step, place).items():
                variable = f"OCTO_OUTPUT_{step.upper()}_{shell_name(name)}"
                if step in read:
                    env[variable] = value
                elif isinstance(value, str):
                    unasked[variable] = value
        size = sum(len(name) + len(value.encode("utf-8", "surrogateescape")) for name, value in unasked.items())
        return {**env, **(unasked if size <= MAX_UNASKED_BYTES else {})}

    def listed(self, reads: Iterable[str]) -> dict[str, str]:
        """``OCTO_OUTPUTS``, ``OCTO_OUTPUTS_2``, …: what every place said that is no secret, of the steps that a script
        reads; of all, where it reads none that can be told.
        """
        lists = [""]
        for line in self._lines(frozenset(reads) or self._said.keys()):
            if len(lists[-1]) + len(line) > MAX_LIST_BYTES:
                lists.append("")
            lists[-1] += line
        return {
            f"OCTO_OUTPUTS_{number}" if number > 1 else "OCTO_OUTPUTS": text for number, text in enumerate(lists, 1)
        }

    def _own(self, step: str, place: str) -> Said:
        return that_counts(step, place, self._said[step], self._latest[step], self._each) or {}

    def _lines(self, read: Collection[str]) -> Iterable[str]:
        """A line an output: step, place, name and base64 of the value, divided by tabs. No secrets."""
        for step in sorted(step for step in self._said if step in read):
            for place, said in self._said[step].items():
                for name, value in said.items():
                    if isinstance(value, str):
                        encoded = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode("ascii")
                        yield f"{step}\t{place}\t{name}\t{encoded}\n"


def to_remember(said: Said, release: str | None, run: str) -> StepOutputs | None:
    """A step's outputs as a target remembers them; None where there are none."""
    if not said:
        return None
    return StepOutputs(
        values={name: value for name, value in said.items() if isinstance(value, str)},
        secret=frozenset(name for name, value in said.items() if isinstance(value, SecretRef)),
        release=release or "",
        run=run,
    )

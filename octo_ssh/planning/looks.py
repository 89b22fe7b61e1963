"""What is looked at on a target beyond its packages: files, systemd units, what ``unless`` asks (SPEC section 6)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from octo_ssh.config.templates import Reveal, TemplateProblem, render_word
from octo_ssh.errors import FileErrors, Problem
from octo_ssh.model.observed import FileRequest, Observed
from octo_ssh.model.plan import FileStep, RunStep, SecretContent, ServiceStep, Step
from octo_ssh.model.work import LateText, ScriptValue
from octo_ssh.planning.places import becoming, sudo_user
from octo_ssh.planning.reach import reached
from octo_ssh.planning.request import Selection
from octo_ssh.planning.scripts import Folders, environment
from octo_ssh.planning.wanted import Wanted, wanted_file

if TYPE_CHECKING:
    from octo_ssh.config.load import Loaded

_WORD = re.compile(r"\w+")
_UNLIKE_ANY = "0" * 64


@dataclass(frozen=True, slots=True)
class FileLook:
    """A file to look at."""

    request: FileRequest
    """Its path is as the plan has it: ``~`` and relative ones lie in the login's home, whoever looks."""
    sudo_user: str | None


@dataclass(frozen=True, slots=True)
class UnlessLook:
    """A command that tells whether a run step is done already. It runs in the login's home."""

    step_id: str
    script: str
    env: Mapping[str, ScriptValue]
    """Nothing in it depends on outputs."""
    sudo_user: str | None


@dataclass(frozen=True, slots=True)
class Looks:
    """What is to be looked at on one target. What depends on outputs of steps cannot be, and is not among it."""

    files: tuple[FileLook, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict)
    """Names of units by step id: systemd tells everybody."""


class Looking:
    """What is looked at, on whichever target. Made once a run."""

    def __init__(self, loaded: Loaded, selection: Selection) -> None:
        self._loaded = loaded
        self._selection = selection
        self._become = becoming(loaded.plan)
        reach = reached(loaded, (*selection.targets, *selection.once_extra))
        self._steps: dict[str, list[Step]] = {name: [] for name in (*selection.targets, *selection.once_extra)}
        for step in loaded.plan.walk():
            if step.id not in selection.skipped and not step.on_controller:
                for name in reach[step.id]:
                    self._steps[name].append(step)

    def files_wanted(self, target: str, reveal: Reveal) -> Mapping[str, Wanted]:
        """What each file step wants on a target, by step id; steps that are skipped are left out.

        Reads sources and secrets: call it in a thread. Raises FileErrors with every mistake, SecretError.
        """
        found: dict[str, Wanted] = {}
        with _Gathering() as problems:
            for step in self.steps(target):
                if isinstance(step.kind, FileStep):
                    with problems.each():
                        found[step.id] = wanted_file(self._loaded, step, target, reveal)
        return found

    def looks(self, target: str, files: Mapping[str, Wanted]) -> Looks:
        """Files and units to look at on a target. ``files``: as ``files_wanted`` gives them. Raises FileErrors."""
        requests: list[FileLook] = []
        services: dict[str, str] = {}
        with _Gathering() as problems:
            for step in self.steps(target):
                names = self._loaded.scopes.names(target=target, step=step)
                with problems.each():
                    match step.kind:
                        case FileStep(path=path) as kind:
                            if not isinstance(word := render_word(path, names), LateText):
                                request = FileRequest(step.id, word, _digest(kind, files[step.id]))
                                requests.append(FileLook(request, self.user(step, target)))
                        case ServiceStep(service=service):
                            if not isinstance(word := render_word(service, names), LateText):
                                services[step.id] = word
                        case _:
                            pass
        return Looks(tuple(requests), services)

    def unless(self, target: str, observed: Observed) -> tuple[UnlessLook, ...]:
        """Every ``unless`` that is asked on a target; on one of ``once_extra`` those of ``once`` steps.

        ``observed``: as the first look gave it. Raises FileErrors, also for one that needs outputs of steps.
        """
        found: list[UnlessLook] = []
        with _Gathering() as problems:
            for step, text in self._asking(target):
                with problems.each():
                    found.append(self._unless(step, text, target, observed))
        return tuple(found)

    def unless_where_possible(
        self, target: str, observed: Observed
    ) -> tuple[tuple[UnlessLook, ...], Mapping[str, str]]:
        """The same for whoever asks what can be asked: those, and why the others cannot be, by step id."""
        found: list[UnlessLook] = []
        why: dict[str, str] = {}
        for step, text in self._asking(target):
            try:
                found.append(self._unless(step, text, target, observed))
            except TemplateProblem as error:
                why[step.id] = error.message
            except FileErrors as errors:
                why[step.id] = errors.problems[0].message
        return tuple(found), why

    def steps(self, target: str) -> Sequence[Step]:
        """What the run brings to a target, less what is skipped."""
        return self._steps[target] if target in self._selection.targets else ()

    def user(self, step: Step, target: str) -> str | None:
        """As whom a step looks there; None: as the login."""
        return sudo_user(self._become[step.id], self._loaded.inventory.targets[target])

    def _asking(self, target: str) -> Iterator[tuple[Step, str]]:
        """Steps with an ``unless`` that is asked on a target."""
        is_whole = target in self._selection.targets
        for step in self._steps[target]:
            if isinstance(step.kind, RunStep) and step.kind.unless is not None and (is_whole or step.once):
                yield step, step.kind.unless

    def _unless(self, step: Step, text: str, target: str, observed: Observed) -> UnlessLook:
        every = environment(self._loaded, step, target, Folders(), previous=observed.baseline.release)
        late = {name for name, value in every.items() if isinstance(value, LateText) and value.after}
        for name in sorted(late & set(_WORD.findall(text))):
            message = (
                f"'unless' of '{step.name}' uses {name}, which depends on outputs of steps, and is asked before them"
            )
            raise TemplateProblem(step.position, message)
        env = {name: value for name, value in every.items() if name not in late}
        return UnlessLook(step.id, text, env, self.user(step, target))


class _Gathering:
    """Mistakes in files, all of them told together at the end."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def __enter__(self) -> _Gathering:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._found:
            raise FileErrors(self._found)

    @contextmanager
    def each(self) -> Iterator[None]:
        try:
            yield
        except TemplateProblem as error:
            self._found.append(error.problem)
        except FileErrors as errors:
            self._found += errors.problems


def _digest(kind: FileStep, wanted: Wanted) -> str:
    """A content's digest: the target sends what differs from it. Nothing is asked for where none would be shown."""
    if wanted.file is None or not kind.show_diff or isinstance(kind.content, SecretContent):
        return ""
    return wanted.file.sha256 or _UNLIKE_ANY

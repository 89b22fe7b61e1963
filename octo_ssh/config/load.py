"""From a plan's path to all that a run needs of its files: plan, inventory, variables, secrets (SPEC sections 2, 4, 5).

All mistakes of all files are raised at once. What was typed wrongly on the command line is a UsageError.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from octo_ssh.config.checks import Checker
from octo_ssh.config.definitions import COMMAND_LINE, collect
from octo_ssh.config.inventory import read_inventory
from octo_ssh.config.plan import PlanFile, check_release, read_plan
from octo_ssh.config.problems import Problems, nearest, quoted_list
from octo_ssh.config.prompts import Answer, Unanswered, ask, key_of
from octo_ssh.config.secrets import SecretStore, why_unusable
from octo_ssh.config.templates import TemplateProblem
from octo_ssh.config.texts import to_text
from octo_ssh.config.values import BadValue, check_variable_name
from octo_ssh.config.variables import Scopes, targets_of
from octo_ssh.errors import FileErrors, Position, Problem, UsageError
from octo_ssh.model.inventory import Inventory
from octo_ssh.model.plan import ReleasePlan
from octo_ssh.model.values import Expr, Prompt, PromptSource, SecretRef, Value


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What to load, as typed."""

    plan_path: str
    inventory_path: str | None = None
    """``-i``; None: as the plan says, or ``inventory.yaml`` beside it."""
    environment: str | None = None
    release: str | None = None
    variables: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Files that fit together."""

    plan: ReleasePlan
    """``release`` is the one of the run: ``--release`` where it was given."""
    inventory: Inventory
    environment: str | None
    """None where the inventory has no environments."""
    scopes: Scopes
    secrets: SecretStore
    targets: tuple[str, ...]
    """The environment's, in the order of the inventory."""


@dataclass(frozen=True, slots=True)
class _Read:
    """Both files, each right by itself."""

    file: PlanFile
    plan: ReleasePlan
    inventory: Inventory
    environment: str | None


def load(request: LoadRequest, *, secrets: SecretStore | None = None, answer: Answer | None = None) -> Loaded:
    """Read and check all files. Raises FileErrors with every mistake in them; UsageError.

    ``answer`` is asked for each variable that a person is to say and that wins somewhere, once, in the order of the
    files. Without it, or where nobody answers, the default is taken; where there is none, that is a mistake.
    """
    read = _read(request)
    plan = replace(read.plan, release=_release(request, read.plan))
    store = secrets or SecretStore()
    typed = _typed(request, read, store)
    scopes = Scopes(read.inventory, plan, read.environment, typed)
    found: list[Problem] = []
    if prompts := scopes.prompts():
        answers = _answers(prompts, answer or _nobody, store, found)
        scopes = Scopes(read.inventory, plan, read.environment, typed, answers)
    loaded = Loaded(plan, read.inventory, read.environment, scopes, store, targets_of(read.inventory, read.environment))
    checker = Checker(plan, read.inventory, read.environment, scopes, store, read.file.places)
    answered_wrongly = {problem.position for problem in found}
    found += [problem for problem in checker.problems(loaded.targets) if problem.position not in answered_wrongly]
    if found and all(problem.position == COMMAND_LINE for problem in found):
        raise UsageError("\n".join(map(str, found)))
    if found:
        raise FileErrors(found)
    return loaded


def look(request: LoadRequest) -> Loaded:
    """The same to be looked at only: nobody is asked, no secret's source need be there, no release need be said.

    Templates are not checked: asking ``scopes`` for a value may raise TemplateProblem. Raises FileErrors for mistakes
    in a file's form; UsageError.
    """
    read = _read(request)
    plan = replace(read.plan, release=request.release if request.release is not None else read.plan.release)
    store = SecretStore()
    scopes = Scopes(read.inventory, plan, read.environment, _typed(request, read, store))
    return Loaded(plan, read.inventory, read.environment, scopes, store, targets_of(read.inventory, read.environment))


def _read(request: LoadRequest) -> _Read:
    _check_typed(request)
    problems = Problems()
    file = read_plan(request.plan_path, problems)
    if request.inventory_path is None and file.inventory_at is None and not os.path.exists(file.inventory_path):
        where = f"there is no inventory '{file.inventory_path}': say where it is with 'inventory' here, or with -i"
        problems.add(Position(request.plan_path), where)
        inventory = None
    elif request.inventory_path is None:
        inventory = read_inventory(file.inventory_path, problems, named_at=file.inventory_at)
    else:
        inventory = read_inventory(request.inventory_path, problems)
    if inventory is not None and request.environment is not None:
        _check_environment(request.environment, inventory)
    problems.raise_if_any()
    assert file.plan is not None
    assert inventory is not None
    return _Read(file, file.plan, inventory, _environment(request, file, inventory))


def _nobody(prompt: Prompt) -> None:
    return None


def _answers(
    prompts: tuple[tuple[str, Prompt], ...], answer: Answer, store: SecretStore, found: list[Problem]
) -> dict[object, Value | SecretRef]:
    """What was answered, by question; what could not be asked is added to ``found``."""
    answers: dict[object, Value | SecretRef] = {}
    failed: dict[object, TemplateProblem] = {}
    for name, prompt in prompts:
        key = key_of(prompt)
        if key in failed:
            found.append(Problem(prompt.position, Unanswered(name, prompt).message))
        elif key not in answers:
            try:
                answers[key] = ask(name, prompt, answer, store)
            except TemplateProblem as problem:
                failed[key] = problem
                found.append(problem.problem)
    return answers


def _typed(request: LoadRequest, read: _Read, store: SecretStore) -> dict[str, Value | SecretRef]:
    """``--var``: what takes the place of a secret is one, too."""
    written = tuple(collect(read.inventory, read.plan, read.environment, {}))
    known = {definition.name for definition in written}
    for name in request.variables.keys() - known:
        if hint := nearest(name, known):  # one of its own is fine, for scripts; one that looks like another is a typo
            raise UsageError(f"--var {name}: neither plan nor inventory has this variable{hint}")
    secret = {definition.name for definition in written if _is_secret(definition.value)}
    typed: dict[str, Value | SecretRef] = dict(request.variables)
    for name in secret & typed.keys():
        ref = SecretRef(PromptSource(f"--var {name}"), COMMAND_LINE)
        text = to_text(request.variables[name])
        if (why := why_unusable(text)) is not None:
            raise UsageError(f"--var {name} takes the place of a secret, and {why}")
        store.remember(ref, text)
        typed[name] = ref
    return typed


def _is_secret(value: Expr) -> bool:
    return isinstance(value, SecretRef) or (isinstance(value, Prompt) and value.secret)


def _check_typed(request: LoadRequest) -> None:
    """What can be said of the words alone."""
    for path, what in ((request.plan_path, "plan"), (request.inventory_path, "inventory")):
        if path is not None and not os.path.exists(path):
            raise UsageError(f"there is no {what} '{path}'", hint="check the path; octo-ssh init makes a first one")
    try:
        if request.release is not None:
            check_release(request.release)
    except BadValue as bad:
        raise UsageError(f"--release {bad.message}") from None
    for name in request.variables:
        try:
            check_variable_name(name)
        except BadValue as bad:
            raise UsageError(f"--var {bad.message}") from None


def _release(request: LoadRequest, plan: ReleasePlan) -> str | None:
    release = request.release if request.release is not None else plan.release
    if release is None and plan.packages:
        raise UsageError("this plan does not say which release", hint="add --release VERSION, or 'release' to the plan")
    return release


def _check_environment(name: str, inventory: Inventory) -> None:
    if not inventory.environments:
        raise UsageError(f"there is no environment '{name}': the inventory has none", hint="leave -e away")
    if name not in inventory.environments:
        known = nearest(name, inventory.environments) or f": known are {quoted_list(inventory.environments)}"
        raise UsageError(f"there is no environment '{name}'{known}")


def _environment(request: LoadRequest, file: PlanFile, inventory: Inventory) -> str | None:
    """The environment of the run: typed, or the plan's. None where the inventory has none."""
    assert file.plan is not None
    name = request.environment if request.environment is not None else file.plan.environment
    if name is None:
        if not inventory.environments:
            return None
        raise UsageError(
            "this plan does not say which environment", hint=f"add -e {' or -e '.join(inventory.environments)}"
        )
    if name not in inventory.environments:
        problems = Problems()
        known = nearest(name, inventory.environments) or (
            f": known are {quoted_list(inventory.environments)}"
            if inventory.environments
            else ": the inventory has none"
        )
        problems.add(file.environment_at, f"there is no environment '{name}'{known}")
        problems.raise_if_any()
    return name

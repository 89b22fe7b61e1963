"""Reading the keys of any step: where, when, as whom, with what (SPEC section 4).

What a group says of ``env``, ``secrets``, ``cwd``, ``environments`` and ``on_failure`` holds for the steps inside: it
is written into them here, where a step's own word wins. ``become``, ``when``, ``on`` and ``variables`` of a group stay
on the group, for whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace

from octo_ssh.config.document import Mapping, Node, Scalar
from octo_ssh.config.plan_kinds import NOUNS
from octo_ssh.config.plan_part_shapes import BecomeStepShape, RetryShape
from octo_ssh.config.plan_step_shapes import ActingShape, ApproveShape, ScriptedShape, StepShape, WorkShape
from octo_ssh.config.plan_words import is_user
from octo_ssh.config.problems import Problems, nearest, quoted_list
from octo_ssh.config.schema import validate
from octo_ssh.config.sizes import size_text
from octo_ssh.config.values import BadValue, check_variable_name, not_built, read_expr, read_variables
from octo_ssh.model.plan import CONTROLLER, BecomeAs, GroupStep, OnFailure, Retry, Step, Text, When
from octo_ssh.model.values import Expr, Template

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ONLY_ON_TARGETS = ("become", "once", "allow_empty", "unless", "rerun", "reboots", "max_parallel")
"""Keys without a meaning on the controller."""
MIN_OUTPUT_LIMIT_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the groups around a step hand on to it."""

    env: MappingOf[str, Expr] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    cwd: Text | None = None
    environments: tuple[str, ...] = ()
    on_failure: OnFailure = OnFailure.FAIL
    becomes: bool = False
    rolls: bool = False


def common_step(shape: StepShape, step_id: str, kind: str, inherited: Inherited, problems: Problems) -> Step:
    """A step with its common keys; what it does is still to be read."""
    on_controller = CONTROLLER in shape.on or isinstance(shape, ApproveShape)
    if CONTROLLER in shape.on:
        _check_on_controller(shape, kind, problems)
    elif on_controller and shape.on:
        problems.add(shape.key_at("on"), "somebody is asked on the controller, not on targets: remove 'on'")
    step = Step(
        name=shape.name,
        id=step_id,
        kind=GroupStep(()),
        position=shape.position,
        on=() if on_controller else shape.on,
        when=_when(shape, problems),
        variables=read_variables(shape.variables, problems),
        on_controller=on_controller,
        environments=_environments(shape, inherited, problems),
        required=shape.required,
    )
    if isinstance(shape, WorkShape):
        step = _with_work(step, shape, inherited, problems)
    if isinstance(shape, ActingShape):
        step = replace(
            step,
            once=shape.once,
            timeout_s=_timeout_s(shape, problems),
            retry=_retry(shape.retry, problems) if shape.retry else Retry(),
            starts_with_previous=shape.start is not None,
        )
    if isinstance(shape, ScriptedShape):
        step = replace(step, output_limit_bytes=_output_limit_bytes(shape, problems))
    return step


def _with_work(step: Step, shape: WorkShape, inherited: Inherited, problems: Problems) -> Step:
    around = None if step.on_controller else inherited.cwd  # a folder of a target is none of the controller's
    return replace(
        step,
        allow_empty=shape.allow_empty,
        become=_become(shape, inherited, problems),
        env={**inherited.env, **_env(shape.env, problems)},
        secrets=tuple(dict.fromkeys((*inherited.secrets, *shape.secrets))),
        cwd=around if shape.cwd is None else shape.cwd,
        max_parallel=shape.max_parallel,
        on_failure=OnFailure(shape.on_failure) if shape.has("on_failure") else inherited.on_failure,
    )


def _check_on_controller(shape: StepShape, kind: str, problems: Problems) -> None:
    at = shape.item_at("on", shape.on.index(CONTROLLER))
    if len(shape.on) > 1:
        problems.add(at, "a step runs on the controller or on targets: make it two steps")
    elif kind == "steps":
        problems.add(at, "'on: controller' belongs to the steps inside, not to the group: move it")
    elif kind in ("package", "file", "service"):
        problems.add(at, f"{NOUNS[kind]} is for targets, not for the controller: write their tags at 'on'")
    else:
        for key in _ONLY_ON_TARGETS:
            if shape.has(key):
                problems.add(shape.key_at(key), f"'{key}' has no meaning on the controller: remove it")


def _environments(shape: StepShape, inherited: Inherited, problems: Problems) -> tuple[str, ...]:
    own, around = shape.environments, inherited.environments
    if shape.has("environments") and not own:
        problems.add(shape.at("environments"), "'environments' is empty: name one, or remove it")
    if not own or not around:
        return own or around
    both = tuple(name for name in own if name in around)
    if not both:
        message = f"the group around this step is only for {quoted_list(around)}: the step would never run, change one"
        problems.add(shape.at("environments"), message)
    return both


def _when(shape: StepShape, problems: Problems) -> When | Template:
    words = [word.value for word in When]
    match shape.when:
        case Template() as template:
            return template
        case "rollback":
            problems.add(shape.at("when"), not_built("'when: rollback'"))
        case str(word) if word in words:
            return When(word)
        case word:
            hint = nearest(word, words) or f": use {quoted_list(words)}, or a template, ${{{{ … }}}}"
            problems.add(shape.at("when"), f"'{word}' is no word for 'when'{hint}")
    return When.SUCCESS


def _become(shape: WorkShape, inherited: Inherited, problems: Problems) -> BecomeAs | None:
    match shape.become:
        case None:
            return None
        case Scalar(value=True):
            return BecomeAs()
        case Scalar(value=False):
            if inherited.becomes:
                message = "a group around this step has 'become', which this cannot undo: move it to the steps"
                problems.add(shape.key_at("become"), message)
            return None
        case Mapping() as node:
            user = validate(node, BecomeStepShape, problems)
            if user and not is_user(user.user):
                problems.add(user.at("user"), f"'{user.user}' cannot be the name of a user")
            return BecomeAs(user.user) if user else None
        case node:
            problems.add(node.position, "'become' must be true, or a map: {user: postgres}")
            return None


def _env(node: Node | None, problems: Problems) -> dict[str, Expr]:
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return {}
    if not isinstance(node, Mapping):
        problems.add(node.position, "'env' must be a map: NAME: value")
        return {}
    for name, entry in node.items.items():
        try:
            if not _ENV_NAME.fullmatch(name):
                raise BadValue(f"'{name}' cannot be the name of an environment variable: use letters, digits, '_'")
            check_variable_name(name)
        except BadValue as bad:
            problems.add(entry.key, bad.message)
    return {name: read_expr(entry.value, problems, nested=True) for name, entry in node.items.items()}


def _timeout_s(shape: ActingShape, problems: Problems) -> float:
    if shape.timeout <= 0:
        problems.add(shape.at("timeout"), "'timeout' must be longer than nothing")
    return shape.timeout


def _output_limit_bytes(shape: ScriptedShape, problems: Problems) -> int:
    if shape.output_limit < MIN_OUTPUT_LIMIT_BYTES:
        problems.add(shape.at("output_limit"), f"'output_limit' must be at least {size_text(MIN_OUTPUT_LIMIT_BYTES)}")
    return shape.output_limit


def _retry(shape: RetryShape, problems: Problems) -> Retry:
    if shape.has("max_delay") and shape.max_delay < shape.delay:
        problems.add(shape.at("max_delay"), "'max_delay' must not be shorter than 'delay'")
    return Retry(shape.times, shape.delay, shape.backoff, max(shape.max_delay, shape.delay))

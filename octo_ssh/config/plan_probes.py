"""Reading what ``check`` and ``verify`` ask, and how a group rolls (SPEC section 4)."""

from __future__ import annotations

import re

from octo_ssh.config.document import Node, Scalar, Sequence
from octo_ssh.config.plan_shapes import ProbeShape, RollingShape
from octo_ssh.config.problems import Problems
from octo_ssh.config.values import BadValue, duration_s, not_built, shell_text, template_text
from octo_ssh.errors import Position
from octo_ssh.model.plan import Budget, CommandProbe, HttpProbe, Probe, Rolling, Text

_URL = re.compile(r"https?://[^\s/]")


def read_probe(shape: ProbeShape, problems: Problems) -> Probe:
    """What must come true."""
    if shape.has("http") == shape.has("command"):
        problems.add(shape.position, "one of 'http' and 'command' must stand here: add or remove one")
    if shape.has("contains") and not shape.has("http"):
        problems.add(shape.key_at("contains"), "'contains' looks into the answer to 'http': add it, or remove this")
    if shape.within <= 0:
        problems.add(shape.at("within"), "'within' must be longer than nothing")
    if shape.every <= 0:
        problems.add(shape.at("every"), "'every' must be longer than nothing")
    what = HttpProbe(shape.http, shape.contains) if shape.http is not None else _command(shape.command, problems)
    if isinstance(what, HttpProbe) and isinstance(what.url, str) and not is_http_url(what.url):
        problems.add(shape.at("http"), "'http' must be a URL that starts with http:// or https://")
    return Probe(what, shape.within, shape.every)


def is_http_url(text: str) -> bool:
    """Whether a text is a URL that can be asked."""
    return _URL.match(text) is not None


def _command(node: Node | None, problems: Problems) -> CommandProbe:
    """Shell, or a list: one element, one argument, each of which may be a template."""
    match node:
        case None:
            return CommandProbe("")
        case Sequence(items=items):
            if not items:
                problems.add(node.position, "'command' is empty: name a program")
            arguments = [_argument(item, problems) for item in items]
            return CommandProbe(tuple(arguments))
        case _:
            try:
                return CommandProbe(shell_text(node))
            except BadValue as bad:
                problems.add(bad.position or node.position, f"'command' {bad.message}")
                return CommandProbe("")


def _argument(node: Node, problems: Problems) -> Text:
    try:
        return template_text(node)
    except BadValue as bad:
        problems.add(bad.position or node.position, f"each of 'command' {bad.message}")
        return ""


def read_rolling(shape: RollingShape, problems: Problems) -> Rolling:
    """A group's window."""
    window = shape.window or Budget(count=1)
    for key, budget in (("window", window), ("canary", shape.canary)):
        if budget is not None and not (budget.count or budget.percent):
            problems.add(shape.at(key), f"'{key}' must be at least 1, or more than 0%")
    return Rolling(
        window=window,
        canary=shape.canary,
        max_failures=shape.max_failures or Budget(count=0),
        pause_s=_pause_s(shape.pause, shape.key_at("pause"), problems),
    )


def _pause_s(node: Node | None, key: Position, problems: Problems) -> float:
    match node:
        case None:
            return 0.0
        case Scalar(value="approve"):
            problems.add(key, not_built("'pause: approve'"))
            return 0.0
        case _:
            try:
                return duration_s(node)
            except BadValue as bad:
                problems.add(node.position, f"'pause' {bad.message}")
                return 0.0

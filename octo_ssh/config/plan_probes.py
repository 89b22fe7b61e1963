"""Reading what ``check`` and ``verify`` ask, and how a group rolls (SPEC section 4)."""

from __future__ import annotations

from octo_ssh.config.document import Node, Scalar, Sequence
from octo_ssh.config.plan_part_shapes import ProbeShape, RollingShape
from octo_ssh.config.plan_words import is_http_url
from octo_ssh.config.problems import Problems
from octo_ssh.config.values import BadValue, duration_s, shell_text, template_text
from octo_ssh.model.plan import Budget, CommandProbe, HttpProbe, Probe, Rolling, Text


def read_probe(shape: ProbeShape, problems: Problems) -> Probe:
    """What must come true."""
    if sum(map(shape.has, shape.one_of)) != 1:
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
    asks = isinstance(shape.pause, Scalar) and shape.pause.value == "approve"
    if asks and shape.canary is None:
        problems.add(shape.at("pause"), "'pause: approve' asks after the canary, and there is none: add 'canary: 1'")
    return Rolling(
        window=window,
        canary=shape.canary,
        max_failures=shape.max_failures or Budget(count=0),
        pause_s=0.0 if asks else _pause_s(shape.pause, problems),
        asks=asks,
    )


def _pause_s(node: Node | None, problems: Problems) -> float:
    if node is None:
        return 0.0
    try:
        return duration_s(node)
    except BadValue as bad:
        problems.add(node.position, f"'pause' {bad.message}, or approve")
        return 0.0

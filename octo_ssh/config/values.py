"""The values that any key may hold: text, durations, budgets, templates, and values with a source (SPEC section 2).

Readers of one value raise ``BadValue``; ``read_expr`` and ``read_variables`` add every mistake to a ``Problems``.
A relative path in a value is relative to the file it stands in, which its position names.
"""

from __future__ import annotations

import os
import re
from typing import Literal

from octo_ssh import __version__
from octo_ssh.config.document import Entry, Mapping, Node, Scalar, Sequence
from octo_ssh.config.problems import Problems, nearest, quoted_list
from octo_ssh.config.prompts import read_prompt
from octo_ssh.errors import Position
from octo_ssh.model.plan import Budget
from octo_ssh.model.values import (
    AgeSource,
    Binding,
    CommandSource,
    EnvSource,
    Expr,
    FileSource,
    Scope,
    Scoped,
    ScopedValue,
    SecretRef,
    SecretSource,
    Template,
    shell_name,
)

TEMPLATE_START = "${{"


class BadValue(ValueError):
    """One value is wrong. A message that starts with "must" gets the key's name before it where it is reported."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def not_built(what: str) -> str:
    """The message for grammar whose effect is not there yet."""
    return f"{what} is not built yet in octo-ssh {'.'.join(__version__.split('.')[:2])}: remove it"


def folder_of(position: Position) -> str:
    """The folder of the file a position is in: what relative paths there are relative to."""
    return os.path.dirname(position.file)


def beside(position: Position, path: str) -> str:
    """A path written at a position, relative to the controller's working folder. ``~`` is left for its use."""
    return path if path.startswith("~") else os.path.join(folder_of(position), path)


def any_text(node: Node) -> str:
    """A string, with whatever it holds."""
    match node:
        case Scalar(value=str(text)):
            return text
        case Scalar(value=None):
            raise BadValue("must be a string: it is empty")
        case Scalar(text=text):
            raise BadValue(f'must be a string: quote it, "{text}"')
        case Sequence():
            raise BadValue("must be a string, not a list")
        case Mapping():
            raise BadValue("must be a string, not a map: quote it if it starts with '{'")


def plain_text(node: Node) -> str:
    """A string that is never a template, and not empty."""
    text = any_text(node)
    if TEMPLATE_START in text:
        raise BadValue("must be plain text: templates are not read here")
    if not text.strip():
        raise BadValue("must not be empty: write a value, or remove the key")
    return text


def template_text(node: Node) -> str | Template:
    """A string, or a template of one."""
    text = any_text(node)
    return Template(text, node.position) if TEMPLATE_START in text else text


def shell_text(node: Node) -> str:
    """Shell, which is never a template (SPEC section 2)."""
    text = any_text(node)
    if TEMPLATE_START in text:
        raise BadValue('must be plain shell: use the environment variable, "$NAME", in place of ${{ name }}')
    if not text.strip():
        raise BadValue("must not be empty: write a command, or remove the key")
    return text


def flag(node: Node) -> bool:
    """``true`` or ``false``."""
    match node:
        case Scalar(value=bool(value)):
            return value
        case Scalar(text=text):
            raise BadValue(f"must be true or false, not '{text}'")
        case _:
            raise BadValue("must be true or false")


def whole_number(node: Node) -> int:
    """An integer; booleans are none."""
    match node:
        case Scalar(value=bool()):
            pass
        case Scalar(value=int(value)):
            return value
        case Scalar(value=str(), quoted=True):
            raise BadValue("must be a whole number: remove the quotes")
    raise BadValue("must be a whole number")


FORMAT_VERSION = 1
"""The form of inventories and plans that this octo-ssh reads."""


def format_version(node: Node) -> int:
    """The ``version`` of a file's form."""
    if whole_number(node) != FORMAT_VERSION:
        raise BadValue(f"must be {FORMAT_VERSION}: this octo-ssh reads no other form")
    return FORMAT_VERSION


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_DURATION_S = 366 * 86400.0


def duration_s(node: Node) -> float:
    """Seconds, from ``30s``, ``10m``, ``2h``: the unit is required."""
    match node:
        case Scalar(value=bool() | None):
            pass
        case Scalar(value=int() | float(), text=text):
            raise BadValue(f"must be a duration with its unit: {text}s, {text}m or {text}h")
        case Scalar(value=str(text)) if found := _DURATION.fullmatch(text):
            seconds = float(found[1]) * _UNIT_S[found[2]]
            if seconds > _MAX_DURATION_S:
                raise BadValue("must be a duration of at most a year")
            return seconds
    raise BadValue("must be a duration with its unit: 30s, 10m or 2h")


_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)%")


def budget(node: Node) -> Budget:
    """A number of targets, or a share of them: ``3`` or ``25%``."""
    match node:
        case Scalar(value=bool()):
            pass
        case Scalar(value=int(count)) if count >= 0:
            return Budget(count=count)
        case Scalar(value=str(text)) if (found := _PERCENT.fullmatch(text)) and float(found[1]) <= 100:
            return Budget(percent=float(found[1]))
    raise BadValue("must be a number of targets or a share of them: 3 or 25%")


_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
MAX_NAME = 100


def check_name(text: str, kind: str) -> str:
    """A name that can stand in a path, a selector and a host name (SPEC section 4): refused otherwise."""
    if len(text) > MAX_NAME:
        raise BadValue(f"the {kind}'s name is longer than {MAX_NAME} characters: shorten it")
    if not _NAME.fullmatch(text) or ".." in text:
        raise BadValue(
            f"'{text}' cannot be the name of {_article(kind)}: use letters, digits, '-', '_' and '.',"
            " with a letter or digit first"
        )
    return text


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


_LOSSY = re.compile(r"[-+]?[0-9]+\.[0-9]*0")
_SCOPE_KEYS = ("environment", "target", "tag", "step")
_SOURCES = ("secret", "scoped", "prompt", "value")


def read_expr(node: Node, problems: Problems, *, nested: bool = False) -> Expr:
    """What a variable may be set to: data, templates, and values with a source.

    Mistakes are added to ``problems`` and stand as None in the result. ``nested``: it is no whole variable, so that
    ``scoped`` and ``prompt`` cannot stand there.
    """
    return _read(node, problems, "inside" if nested else "variable")


_Stands = Literal["variable", "row", "inside"]


def _read(node: Node, problems: Problems, where: _Stands) -> Expr:
    match node:
        case Scalar(value=str(text)):
            return Template(text, node.position) if TEMPLATE_START in text else text
        case Scalar(value=float(number), text=text) if _LOSSY.fullmatch(text) and repr(number) != text:
            problems.add(node.position, f'{text} is the number {number!r}: quote it, "{text}", if it is a version')
            return None
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return tuple(_read(item, problems, "inside") for item in items)
        case Mapping():
            return _read_map(node, problems, where)


def _read_map(node: Mapping, problems: Problems, where: _Stands) -> Expr:
    source = next((key for key in _SOURCES if key in node.items), None)
    others = [key for key in node.items if key != source]
    if source == "value" and others and not set(others) <= set(_SCOPE_KEYS):
        source = None
    if source is None:
        return {key: _read(entry.value, problems, "inside") for key, entry in node.items.items()}
    entry = node.items[source]
    if others:
        position = node.items[others[0]].key
        problems.add(
            position,
            f"'{others[0]}' cannot stand beside '{source}': "
            + ("write rows with a scope as {scoped: [...]}" if source == "value" else f"'{source}' must be alone"),
        )
        return None
    match source:
        case "value":
            return literal(entry.value)
        case "secret":
            return read_secret(entry.value, problems)
        case "prompt" if where != "inside":
            return read_prompt(entry.value, problems)
        case "scoped" if where == "variable":
            return _read_scoped(entry.value, problems)
        case _:
            problems.add(entry.key, f"'{source}' stands for a whole variable: move it up to the variable")
            return None


def literal(node: Node) -> Expr:
    """Data that is never a template or a source: what ``{value: …}`` and dynamic inventories hold."""
    match node:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return tuple(literal(item) for item in items)
        case Mapping(items=items):
            return {key: literal(entry.value) for key, entry in items.items()}


_ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_secret(node: Node, problems: Problems) -> SecretRef | None:
    """What stands at ``secret:``: one of ``env``, ``file``, ``command``, ``age``."""
    if not isinstance(node, Mapping) or len(node.items) != 1:
        problems.add(
            node.position, "a secret has one source: {env: NAME}, {file: path}, {command: [program, …]} or {age: …}"
        )
        return None
    [(kind, entry)] = node.items.items()
    try:
        source = _secret_source(kind, entry)
    except BadValue as bad:
        message = f"'{kind}' {bad.message}" if bad.message.startswith("must") else bad.message
        problems.add(bad.position or entry.value.position, message)
        return None
    return SecretRef(source, node.position)


def _secret_source(kind: str, entry: Entry) -> SecretSource:
    value = entry.value
    match kind:
        case "env":
            name = plain_text(value)
            if not _ENV_NAME.fullmatch(name):
                raise BadValue("must be the name of an environment variable, without a '$'")
            return EnvSource(name)
        case "file":
            return FileSource(beside(value.position, plain_text(value)))
        case "command":
            if not isinstance(value, Sequence) or not value.items:
                raise BadValue("must be a list: the program, then one element for each argument")
            return CommandSource(tuple(plain_text(item) for item in value.items), folder_of(value.position))
        case "age":
            text = plain_text(value)
            if text.lstrip().startswith(_ARMOR):
                return AgeSource(text=text)
            if "\n" in text.strip():
                raise BadValue(f"must be the path of an age file, or the text that begins with {_ARMOR}")
            return AgeSource(path=beside(value.position, text))
        case _:
            known = ("env", "file", "command", "age")
            raise BadValue(
                f"'{kind}' is no source of a secret{nearest(kind, known)}: use env, file, command or age", entry.key
            )


def _read_scoped(node: Node, problems: Problems) -> Scoped | None:
    if not isinstance(node, Sequence) or not node.items:
        problems.add(node.position, "'scoped' must be a list of rows: - {value: …, environment: …}")
        return None
    rows = [_read_row(row, problems) for row in node.items]
    return Scoped(tuple(row for row in rows if row is not None))


def _read_row(node: Node, problems: Problems) -> ScopedValue | None:
    if not isinstance(node, Mapping):
        problems.add(node.position, "a row of 'scoped' must be a map: {value: …, environment: …}")
        return None
    for key, entry in node.items.items():
        if key not in ("value", *_SCOPE_KEYS):
            hint = nearest(key, ("value", *_SCOPE_KEYS)) or f": known are 'value', {quoted_list(_SCOPE_KEYS)}"
            problems.add(entry.key, f"unknown key '{key}'{hint}")
    given = node.get("value")
    if given is None:
        problems.add(node.position, "the key 'value' is missing here: add it")
        return None
    scope: dict[str, str] = {}
    for key in _SCOPE_KEYS:
        if (named := node.get(key)) is not None:
            try:
                scope[key] = plain_text(named)
            except BadValue as bad:
                problems.add(named.position, f"'{key}' {bad.message}")
    return ScopedValue(_read(given, problems, "row"), Scope(**scope), node.position)


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
_SHELLS_OWN = re.compile(
    "PATH|HOME|IFS|ENV|SHELL|USER|LOGNAME|PWD|OLDPWD|CDPATH|SHELLOPTS|BASHOPTS|POSIXLY_CORRECT|GLOBIGNORE"
    "|PROMPT_COMMAND|PS[124]|E?UID|PPID|TERM|(?:BASH|LD|DYLD|SUDO|OCTO)_.*"
)


def check_variable_name(name: str) -> str:
    """A variable's name, which is also exported to scripts: names that would hijack a shell are refused."""
    if not _VARIABLE.fullmatch(name):
        raise BadValue(
            f"'{name}' cannot be a variable's name: use letters, digits, '_', '.', ':' and '-', no digit first"
        )
    exported = shell_name(name)
    if _SHELLS_OWN.fullmatch(exported):
        raise BadValue(f"'{name}' means something to the shell or to octo-ssh: choose another name")
    return name


def read_variables(node: Node | None, problems: Problems, *, data_only: bool = False) -> dict[str, Binding]:
    """The map at a ``variables`` key. ``data_only``: nothing in it is a template or has a source."""
    match node:
        case None | Scalar(value=None):
            return {}
        case Mapping(items=items):
            pass
        case _:
            problems.add(node.position, "'variables' must be a map: name: value")
            return {}
    variables: dict[str, Binding] = {}
    exported: dict[str, str] = {}
    for name, entry in items.items():
        try:
            check_variable_name(name)
        except BadValue as bad:
            problems.add(entry.key, bad.message)
            continue
        if (other := exported.setdefault(shell_name(name), name)) != name:
            problems.add(entry.key, f"'{name}' and '{other}' are both ${shell_name(name)} in a script: rename one")
        value = literal(entry.value) if data_only else read_expr(entry.value, problems)
        variables[name] = Binding(value, entry.key)
    return variables

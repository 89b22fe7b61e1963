"""Reading which files of a package are configured, and which values are set in them (SPEC section 4)."""

from __future__ import annotations

from octo_ssh.config.document import Entry, Mapping, Node, Scalar, Sequence
from octo_ssh.config.plan_part_shapes import ConfigureShape
from octo_ssh.config.plan_words import inner_problem
from octo_ssh.config.problems import Problems
from octo_ssh.config.schema import validate
from octo_ssh.config.values import TEMPLATE_START, BadValue, plain_text, read_expr
from octo_ssh.model.plan import FileSettings


def read_configure(node: Node | None, problems: Problems) -> tuple[tuple[str, ...], tuple[FileSettings, ...]]:
    """``configure``: the patterns of files that are templates, and what is set in structured ones."""
    match node:
        case None | Scalar(value=None):
            return (), ()
        case Sequence():
            return _patterns(node, "configure", problems), ()
        case Mapping():
            shape = validate(node, ConfigureShape, problems)
            if shape is None:
                return (), ()
            for index, path in enumerate(shape.files):
                if (problem := inner_problem(path)) is not None:
                    problems.add(shape.item_at("files", index), f"each of 'files' {problem}")
            return shape.files, _settings(shape.set, problems)
        case _:
            problems.add(node.position, "'configure' must be a list of patterns, or a map: {files: […], set: {…}}")
            return (), ()


def _patterns(node: Sequence, key: str, problems: Problems) -> tuple[str, ...]:
    found: list[str] = []
    for item in node.items:
        try:
            path = plain_text(item)
        except BadValue as bad:
            problems.add(item.position, f"each of '{key}' {bad.message}")
            continue
        if (problem := inner_problem(path)) is not None:
            problems.add(item.position, f"each of '{key}' {problem}")
        found.append(path)
    return tuple(found)


def _settings(node: Node | None, problems: Problems) -> tuple[FileSettings, ...]:
    match node:
        case None:
            return ()
        case Mapping(items=items) if items:
            found = [_of_file(pattern, entry, problems) for pattern, entry in items.items()]
            return tuple(settings for settings in found if settings is not None)
        case _:
            problems.add(node.position, "'set' must be a map: file: {key: value}")
            return ()


def _of_file(pattern: str, entry: Entry, problems: Problems) -> FileSettings | None:
    if (problem := inner_problem(pattern)) is not None:
        problems.add(entry.key, f"each file of 'set' {problem}")
    if not isinstance(entry.value, Mapping) or not entry.value.items:
        problems.add(entry.value.position, f"what is set in '{pattern}' must be a map: {{'Logging:Level': value}}")
        return None
    places = {key: inner.key for key, inner in entry.value.items.items()}
    for key, at in places.items():
        if TEMPLATE_START in key:
            problems.add(at, "a key of 'set' is never a template: name it as it stands in the file")
        elif not key.strip():
            problems.add(at, "a key of 'set' must not be empty: name it as it stands in the file")
    values = {key: read_expr(inner.value, problems, nested=True) for key, inner in entry.value.items.items()}
    return FileSettings(pattern, values, entry.key, places)

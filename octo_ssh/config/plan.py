"""Reading a release plan (SPEC section 4)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

from octo_ssh.config.document import Mapping, Node, read_document
from octo_ssh.config.plan_drift import read_expected
from octo_ssh.config.plan_shapes import PackageShape, PlanShape
from octo_ssh.config.plan_steps import StepReader
from octo_ssh.config.problems import Problems
from octo_ssh.config.schema import validate
from octo_ssh.config.values import BadValue, beside, check_name, folder_of, read_variables
from octo_ssh.errors import Position
from octo_ssh.model.plan import FileOrigin, FolderOrigin, Origin, PackageSource, ReleasePlan, UrlOrigin
from octo_ssh.model.values import shell_name

DEFAULT_INVENTORY = "inventory.yaml"
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class PlanFile:
    """What a plan file gave, and where the words stand that are looked up in the inventory."""

    plan: ReleasePlan | None
    """None when something is wrong with it."""
    inventory_path: str
    inventory_at: Position | None
    """None when the file does not name it."""
    environment_at: Position
    places: MappingOf[tuple[str, str], Position]
    """Where a word of a step stands: by step id and ``on:WORD``, ``secrets:WORD``, ``environments:WORD``."""


def load_plan(path: str | os.PathLike[str]) -> ReleasePlan:
    """The plan in a file. Every mistake of it is in the FileErrors raised."""
    problems = Problems()
    plan = read_plan(path, problems).plan
    problems.raise_if_any()
    assert plan is not None
    return plan


def read_plan(path: str | os.PathLike[str], problems: Problems) -> PlanFile:
    """A plan file, after adding every mistake of it. Reads the scripts it names; runs nothing."""
    file = os.fspath(path)
    before = len(problems)
    document = read_document(file, problems)
    shape = validate(document, PlanShape, problems) if document is not None else None
    packages = _packages(_at(document, "packages"), problems)
    reader = StepReader(tuple(packages), problems)
    before_steps = len(problems)
    steps = reader.plan_steps(_at(document, "steps"))
    expected = read_expected(_at(document, "drift"), steps if len(problems) == before_steps else None, problems)
    plan: ReleasePlan | None = None
    if shape is not None:
        _check_names(shape, problems)
        plan = ReleasePlan(
            path=file,
            project=shape.project,
            release=shape.release,
            inventory_path=beside(shape.position, shape.inventory),
            environment=shape.environment,
            steps=steps,
            packages={name: source for name, source in packages.items() if source is not None},
            variables=read_variables(shape.variables, problems),
            max_parallel=shape.max_parallel,
            max_failures=shape.max_failures,
            skip_unreachable=shape.unreachable == "skip",
            drift_ignore=expected,
        )
        if len(problems) == before:
            _check_all_used(plan, reader.used_packages, problems)
    return PlanFile(
        plan=plan if len(problems) == before else None,
        inventory_path=plan.inventory_path if plan else beside(Position(file), DEFAULT_INVENTORY),
        inventory_at=shape.at("inventory") if shape and shape.has("inventory") else None,
        environment_at=shape.at("environment") if shape else Position(file),
        places=reader.places,
    )


def check_release(text: str) -> str:
    """A release's name, which is also that of a folder on the targets. BadValue says what is wrong."""
    if len(text) > 100:
        raise BadValue("must have at most 100 characters: shorten it")
    if not _RELEASE.fullmatch(text) or text.endswith(".json"):
        raise BadValue("must be letters, digits, '.', '-', '_', '+' and '~', a letter or digit first, not end in .json")
    return text


def _at(document: Node | None, key: str) -> Node | None:
    return document.get(key) if isinstance(document, Mapping) else None


def _check_names(shape: PlanShape, problems: Problems) -> None:
    try:
        check_name(shape.project, "project")
    except BadValue as bad:
        problems.add(shape.at("project"), bad.message)
    try:
        if shape.release is not None:
            check_release(shape.release)
    except BadValue as bad:
        problems.add(shape.at("release"), f"'release' {bad.message}")


def _check_all_used(plan: ReleasePlan, used: set[str], problems: Problems) -> None:
    for name, source in plan.packages.items():
        if name not in used:
            problems.add(source.position, f"no step deploys the package '{name}': add one, or remove the package")


def _packages(node: Node | None, problems: Problems) -> dict[str, PackageSource | None]:
    """Every package that is named, with None for one that has mistakes."""
    if node is None or not isinstance(node, Mapping):
        if node is not None:
            problems.add(node.position, "'packages' must be a map: name: {file: …}")
        return {}
    if not node.items:
        problems.add(node.position, "'packages' is empty: add one, or remove it for a plan that is a runbook")
    exported: dict[str, str] = {}
    found: dict[str, PackageSource | None] = {}
    for name, entry in node.items.items():
        try:
            check_name(name, "package")
        except BadValue as bad:
            problems.add(entry.key, bad.message)
        variable = shell_name(name).upper()
        if (other := exported.setdefault(variable, name)) != name:
            problems.add(entry.key, f"'{name}' and '{other}' are both $OCTO_RELEASE_DIR_{variable}: rename one")
        shape = validate(entry.value, PackageShape, problems)
        found[name] = _source(name, entry.key, shape, problems) if shape else None
    return found


def _source(name: str, position: Position, shape: PackageShape, problems: Problems) -> PackageSource | None:
    if shape.sha256 is not None and not _SHA256.fullmatch(shape.sha256):
        problems.add(shape.at("sha256"), "'sha256' must be 64 hexadecimal digits")
    if shape.ignore and not shape.has("dir"):
        problems.add(shape.key_at("ignore"), "'ignore' belongs to packages with 'dir': remove it")
    origin = _origin(shape, problems)
    sha256 = shape.sha256.lower() if shape.sha256 else None
    return PackageSource(name, origin, position, sha256) if origin else None


def _origin(shape: PackageShape, problems: Problems) -> Origin | None:
    given = [key for key in shape.one_of if shape.has(key)]
    if len(given) != 1:
        problems.add(shape.position, "a package has one of 'file', 'dir' and 'url': add or remove one")
        return None
    folder = folder_of(shape.position)
    if shape.file is not None:
        return FileOrigin(shape.file, folder)
    if shape.dir is not None:
        return FolderOrigin(shape.dir, folder, shape.ignore)
    assert shape.url is not None
    if isinstance(shape.url, str) and not shape.url.startswith("https://"):
        problems.add(shape.at("url"), "'url' must start with https://")
    if shape.sha256 is None:
        problems.add(shape.at("url"), "a package with a url needs its sha256: add it")
    return UrlOrigin(shape.url)

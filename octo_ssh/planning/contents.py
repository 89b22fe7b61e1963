"""What a plan says of the insides of its packages, against what they hold. Known before any target is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from octo_ssh.errors import PackageError, Problem
from octo_ssh.model.manifest import Kind, Manifest
from octo_ssh.model.plan import PackageScript, PackageStep, ReleasePlan, RunStep, Step
from octo_ssh.model.words import nearest
from octo_ssh.planning.configure import configured_paths


def content_problems(plan: ReleasePlan, manifests: Mapping[str, Manifest]) -> list[Problem]:
    """Patterns of ``configure`` that match nothing, and scripts in packages that are not there or cannot be run.

    ``manifests``: by package, every one that a step deploys.
    """
    return [Problem(step.position, said) for step in plan.walk() for said in _of_step(step, manifests)]


def _of_step(step: Step, manifests: Mapping[str, Manifest]) -> Iterator[str]:
    match step.kind:
        case PackageStep(package=package, configure=patterns):
            for pattern in patterns:
                try:
                    configured_paths(manifests[package], [pattern])
                except PackageError as error:
                    yield f"{error.message}: {error.hint}"
        case RunStep(PackageScript(package, path)):
            yield from _of_script(package, path, manifests[package])
        case _:
            pass


def _of_script(package: str, path: str, manifest: Manifest) -> Iterator[str]:
    entry = manifest.entries.get(path)
    if entry is None:
        files = [name for name, found in manifest.entries.items() if found.kind is Kind.FILE]
        hint = nearest(path, files) or ": check the path, which begins at the package's root"
        yield f"script: the package '{package}' holds no '{path}'{hint}"
    elif entry.kind is Kind.DIR:
        yield f"script: '{path}' in the package '{package}' is a folder: name a file in it"
    elif entry.kind is Kind.FILE and not entry.mode & 0o111:
        yield f"script: '{path}' in the package '{package}' is not executable: chmod +x it before packing"

"""What a plan says of the insides of its packages, against what they hold. Known before any target is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from octo_ssh.config.structured import FORMS, is_structured
from octo_ssh.errors import PackageError, Problem
from octo_ssh.model.manifest import Kind, Manifest
from octo_ssh.model.plan import FileSettings, PackageScript, PackageStep, ReleasePlan, RunStep, Step
from octo_ssh.model.words import nearest, quoted_list
from octo_ssh.planning.configure import configured_paths


def content_problems(plan: ReleasePlan, manifests: Mapping[str, Manifest]) -> list[Problem]:
    """Patterns of ``configure`` that match nothing, files of ``set`` in which no values can be set, and scripts in
    packages that are not there or cannot be run.

    ``manifests``: by package, those that this run uses; what other steps say is not looked at.
    """
    return [problem for step in plan.walk() if package_of(step) in manifests for problem in _of_step(step, manifests)]


def package_of(step: Step) -> str | None:
    """The package that a step deploys, or runs a script of."""
    match step.kind:
        case PackageStep(package=package) | RunStep(PackageScript(package)):
            return package
        case _:
            return None


def _of_step(step: Step, manifests: Mapping[str, Manifest]) -> Iterator[Problem]:
    match step.kind:
        case PackageStep(package=package, configure=patterns, settings=settings):
            for pattern in patterns:
                for said in _of_pattern(pattern, manifests[package]):
                    yield Problem(step.position, said)
            for row in settings:
                for said in _of_settings(row, manifests[package]):
                    yield Problem(row.position, said)
        case RunStep(PackageScript(package, path)):
            for said in _of_script(package, path, manifests[package]):
                yield Problem(step.position, said)
        case _:
            pass


def _of_pattern(pattern: str, manifest: Manifest) -> Iterator[str]:
    try:
        configured_paths(manifest, [pattern])
    except PackageError as error:
        yield f"{error.message}: {error.hint}"


def _of_settings(settings: FileSettings, manifest: Manifest) -> Iterator[str]:
    try:
        paths = configured_paths(manifest, [settings.path])
    except PackageError as error:
        yield f"{error.message}: {error.hint}"
        return
    unknown = [path for path in paths if not is_structured(path)]
    if unknown:
        yield (
            f"set: values can be set in files that end in {', '.join(FORMS)}, and not in {quoted_list(unknown)}: name"
            " it under 'files', and use ${{ … }} in it"
        )


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

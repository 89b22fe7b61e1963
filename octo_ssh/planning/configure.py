"""What a release folder must hold on one target: the package, its configured files, its links to what is shared.

A shared path of a release is a relative link to ``<to>/shared/<path>``; what the package holds there is left out of
the release and fills the shared place the first time (SPEC section 4).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from octo_ssh.config.settings import with_settings
from octo_ssh.config.templates import Reveal, TemplateProblem, render_file
from octo_ssh.errors import FileErrors, PackageError, Problem
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.plan import PackageStep, Step
from octo_ssh.model.values import Secret

PARENT_MODE = 0o755
"""Of folders that a shared path needs and the package has not."""


@dataclass(frozen=True, slots=True)
class ConfiguredFile:
    """A file of the package with its templates rendered and its values set."""

    path: str
    mode: int
    content: Secret
    """Encode with ``surrogateescape``."""


@dataclass(frozen=True, slots=True)
class Configured:
    """A package as one target gets it."""

    manifest: Manifest
    files: tuple[ConfiguredFile, ...] = ()
    seed_paths: tuple[str, ...] = ()
    """Entries of the package at or below shared paths."""


def configured_paths(manifest: Manifest, patterns: Iterable[str]) -> tuple[str, ...]:
    """The files that the patterns select: ``*`` and ``?`` stay within a folder, ``**`` does not.

    Raises PackageError for a pattern that selects none.
    """
    files = [path for path, entry in manifest.entries.items() if entry.kind is Kind.FILE]
    found: set[str] = set()
    for pattern in patterns:
        matching = [path for path in files if matches(pattern, path)]
        if not matching:
            raise PackageError(
                f"configure: no file of the package matches '{pattern}'",
                hint="patterns are relative to the package's root; '*' stays within a folder, '**' does not",
            )
        found.update(matching)
    return tuple(sorted(found))


def paths_to_read(manifest: Manifest, kind: PackageStep) -> tuple[str, ...]:
    """The files of the package whose bytes ``configure`` needs: those that are templates, or have values set.

    Raises PackageError for a pattern that selects none.
    """
    return configured_paths(manifest, (*kind.configure, *(settings.path for settings in kind.settings)))


def configure(
    package: Manifest, texts: Mapping[str, bytes], step: Step, names: Mapping[str, Any], reveal: Reveal
) -> Configured:
    """The package for one target. ``texts`` holds the bytes of the files that ``paths_to_read`` names, by path.

    A file that is a template and has values set gets its templates first. Raises FileErrors for templates that cannot
    be rendered, keys that cannot be set, malformed files, and shared paths that do not fit the package.
    """
    assert isinstance(step.kind, PackageStep)
    kind = step.kind
    entries, seeds = with_shared(package, step, kind.shared)
    files: list[ConfiguredFile] = []
    problems: list[Problem] = []
    for path, content in sorted(texts.items()):
        if path not in entries or entries[path].kind is not Kind.FILE:
            problems.append(Problem(step.position, f"'{path}' is shared by all releases: it cannot be configured"))
            continue
        try:
            raw = configured_content(content, path, kind, names, reveal)
        except TemplateProblem as error:
            problems.append(error.problem)
            continue
        except FileErrors as error:
            problems += error.problems
            continue
        files.append(ConfiguredFile(path, entries[path].mode, Secret(raw.decode("utf-8", "surrogateescape"))))
        entries[path] = replace(entries[path], size=len(raw), sha256=hashlib.sha256(raw).hexdigest())
    if problems:
        raise FileErrors(problems)
    return Configured(Manifest(entries), tuple(files), seeds)


def configured_content(content: bytes, path: str, kind: PackageStep, names: Mapping[str, Any], reveal: Reveal) -> bytes:
    """One file: its templates rendered, then its values set. Raises TemplateProblem, FileErrors, SecretError."""
    file = f"{kind.package}:{path}"
    if any(matches(pattern, path) for pattern in kind.configure):
        content = render_file(content, names, reveal, file=file).reveal().encode("utf-8", "surrogateescape")
    settings = [row for row in kind.settings if matches(row.path, path)]
    return with_settings(content, settings, names, reveal, path=path, file=file) if settings else content


def with_shared(package: Manifest, step: Step, shared: tuple[str, ...]) -> tuple[dict[str, Entry], tuple[str, ...]]:
    """The package's entries with links at the shared paths, and what was there. Raises FileErrors."""
    entries = dict(package.entries)
    seeds: list[str] = []
    for path in (part.strip("/") for part in shared):
        below = [name for name in entries if name == path or name.startswith(f"{path}/")]
        seeds += [name for name in below if name in package.entries]
        for name in below:
            del entries[name]
        parts = path.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            entry = entries.setdefault(parent, Entry(parent, Kind.DIR, PARENT_MODE))
            if entry.kind is not Kind.DIR:
                message = f"shared: '{path}' lies below '{parent}', which is no folder of the package"
                raise FileErrors([Problem(step.position, message)])
        entries[path] = Entry(path, Kind.LINK, target="../" * (len(parts) + 1) + f"shared/{path}")
    return entries, tuple(sorted(seeds))


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern means the path: ``*`` and ``?`` stay within a folder, ``**`` does not."""
    return _compiled(pattern).fullmatch(path) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]]*\])", pattern.removeprefix("./"))
    return re.compile("".join(_translated(part) for part in parts), re.DOTALL)


def _translated(part: str) -> str:
    match part:
        case "**/":
            return "(?:.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _ if len(part) > 2 and part.startswith("[") and part.endswith("]"):
            negated = part[1] in "!^"
            inside = part[2:-1] if negated else part[1:-1]
            escaped = inside.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace("&&", "&\\&")
            return f"(?!/)[{'^' if negated else ''}{escaped}]"
        case _:
            return re.escape(part)

"""What must be so on a host whatever has happened to it: each rule is a function, each breach of it a ``Violation``.

Nothing here asks octo-ssh: files and processes are read from outside, and judged by what SPEC sections 6 and 7 promise.
``standing`` holds at any moment, also in the middle of a run; ``at_rest`` once a run is over and the host can be
reached.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from octo_ssh.errors import OctoError
from octo_ssh.model.manifest import Entry, Kind, Manifest, parse_manifest
from octo_ssh.model.memory import line_sha256, parse_baseline
from tests.fleet.hosts import Host

PATIENCE_S = 15.0
"""What is ending may take that long to have ended."""
_POLL_S = 0.1
_IN_ROOT = re.compile(r"journal\.jsonl|state(/[^/]+(/[^/]+\.json)?)?|lock(/\d+(\.[rx])?)?|work|store|apps")
_IN_PLACE = re.compile(r"current|shared|releases(/[^/.][^/]*)?|\.octo-ssh(/(owner|guard))?")
_FLIP = re.compile(r"\.octo-ssh/\.flip\.(\d+)\.[0-9a-f]+")
_AT_HOME = {"systemd", "(sd-pam)", "sd-pam", "dbus-daemon"}
"""What systemd itself starts for whoever is logged in."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule broken on one host."""

    host: str
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.host}: {self.rule}: {self.what}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where on a host octo-ssh has been at work."""

    host: Host
    root: str
    """Absolute."""
    to: str
    users: tuple[str, ...] = ("deploy",)
    """Whoever its programs run as, but for root."""
    may_be_torn: bool = False
    """A power cut or a full disk may have left lines of the journal unfinished; the chain must hold all the same."""

    @property
    def place(self) -> Path:
        """``to``, as seen from here."""
        return self.host.view / self.to.lstrip("/")

    @property
    def memory(self) -> Path:
        """``root``, as seen from here."""
        return self.host.view / self.root.lstrip("/")

    def breach(self, rule: str, what: str) -> Violation:
        return Violation(self.host.name, rule, what)


def standing(scope: Scope) -> list[Violation]:
    """What holds at any moment: ``current`` is complete or absent, journal and baseline can be read."""
    return [*_current(scope), *_journal(scope), *_baseline(scope)]


def at_rest(scope: Scope, *, patience_s: float = PATIENCE_S) -> list[Violation]:
    """All that holds when nobody is at work. What is just ending is waited for."""
    end = time.monotonic() + patience_s
    while (found := [*_processes(scope), *_lock(scope)]) and time.monotonic() < end:
        time.sleep(_POLL_S)
    return [*standing(scope), *_releases(scope), *_rubble(scope), *found]


def current(scope: Scope) -> str | None:
    """The release folder that ``current`` names; None where there is none."""
    link = scope.place / "current"
    return os.readlink(link).removeprefix("releases/") if link.is_symlink() else None


def journal(scope: Scope) -> list[dict[str, object]]:
    """The lines that can be read."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for line in (scope.memory / "journal.jsonl").read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found


def _current(scope: Scope) -> Iterator[Violation]:
    link = scope.place / "current"
    if not link.is_symlink():
        if link.exists():
            yield scope.breach("current", "is no symbolic link")
        return
    said = os.readlink(link)
    if not re.fullmatch(r"releases/[^/]+", said):
        yield scope.breach("current", f"points at {said}")
        return
    yield from (scope.breach("current", what) for what in incomplete(scope.place / said))


def _releases(scope: Scope) -> Iterator[Violation]:
    """Every folder there is a complete release, and every manifest has its folder."""
    folder = scope.place / "releases"
    for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
        if name.startswith(".") or name.endswith(".json"):
            continue  # rubble, or a manifest
        yield from (scope.breach("releases", f"{name}: {what}") for what in incomplete(folder / name))


def incomplete(release: Path) -> Iterator[str]:
    """What is wrong with a release folder against the manifest beside it."""
    try:
        manifest = parse_manifest(release.with_name(f"{release.name}.json").read_bytes())
    except (OSError, ValueError) as error:
        yield f"its manifest cannot be read: {error}"
        return
    found = _tree(release)
    for path in sorted({*manifest.entries, *found.entries}):
        wanted, there = manifest.entries.get(path), found.entries.get(path)
        if wanted != there:
            yield f"{path}: {there} instead of {wanted}"


def _tree(folder: Path) -> Manifest:
    entries = []
    for above, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(above, name)
            entries.append(_entry(path, str(path.relative_to(folder))))
    return Manifest.of(entries)


def _entry(path: Path, name: str) -> Entry:
    seen = path.lstat()
    if stat.S_ISLNK(seen.st_mode):
        return Entry(name, Kind.LINK, target=os.readlink(path))
    if stat.S_ISDIR(seen.st_mode):
        return Entry(name, Kind.DIR, stat.S_IMODE(seen.st_mode))
    if not stat.S_ISREG(seen.st_mode):
        return Entry(name, Kind.OTHER)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Entry(name, Kind.FILE, stat.S_IMODE(seen.st_mode), seen.st_size, sha256)


def _journal(scope: Scope) -> Iterator[Violation]:
    try:
        text = (scope.memory / "journal.jsonl").read_bytes()
    except FileNotFoundError:
        return
    lines = text.split(b"\n")
    if lines.pop() and not scope.may_be_torn:
        yield scope.breach("journal", "its last line has no end")
    head = ""
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)["prev"]
        except (ValueError, TypeError, KeyError):
            if not scope.may_be_torn:
                yield scope.breach("journal", f"line {number} cannot be read: {line[:80]!r}")
            said = head
        if said != head:
            yield scope.breach("journal", f"line {number} does not follow the line before it")
        head = line_sha256(line)


def _baseline(scope: Scope) -> Iterator[Violation]:
    for path in sorted((scope.memory / "state").glob("*/*.json")):
        try:
            parse_baseline(path.read_bytes(), str(path))
        except OctoError as error:
            yield scope.breach("baseline", f"{path.name}: {error}")


def _lock(scope: Scope) -> Iterator[Violation]:
    """Nobody holds it, and only the last epoch is left."""
    names = _names(scope.memory / "lock")
    epochs = sorted({int(name.partition(".")[0]) for name in names if name.partition(".")[0].isdigit()})
    if epochs and f"{epochs[-1]}.x" not in names:
        held = scope.memory / "lock" / str(epochs[-1])
        yield scope.breach(
            "lock", f"epoch {epochs[-1]} is held: {os.readlink(held)[:80] if held.is_symlink() else '?'}"
        )
    if len(epochs) > 1:
        yield scope.breach("lock", f"epochs of the past are left: {names}")


def _rubble(scope: Scope) -> Iterator[Violation]:
    """Nothing unfinished lies anywhere: under ``root``, and under ``to`` but for what is shared."""
    left = [name for name in _below(scope.memory, skip=("apps",)) if not _IN_ROOT.fullmatch(name)]
    for name in left:
        if name.rpartition("/")[0] not in left:
            yield scope.breach("rubble", f"{scope.root}/{name}")
    flips = []
    for name in _below(scope.place, skip=("shared",)):
        if match := _FLIP.fullmatch(name):
            flips.append((int(match[1]), name))
        elif not _IN_PLACE.fullmatch(name) or _is_lonely(scope.place / name):
            yield scope.breach("rubble", f"{scope.to}/{name}")
    for _, name in sorted(flips)[:-1]:
        yield scope.breach("rubble", f"{scope.to}/{name}, a right to switch of an older epoch")


def _is_lonely(path: Path) -> bool:
    """A manifest without its folder."""
    return path.parent.name == "releases" and path.suffix == ".json" and not path.with_suffix("").exists()


def _below(folder: Path, *, skip: tuple[str, ...]) -> Iterator[str]:
    """Every path in a folder, relative to it; what lies in releases and in the folders ``skip`` is not looked at."""
    if not folder.is_dir():
        return
    for above, folders, files in os.walk(folder):
        inside = os.path.relpath(above, folder)
        depth = 0 if inside == "." else inside.count("/") + 1
        for name in (*folders, *files):
            yield name if inside == "." else f"{inside}/{name}"
        if depth == 0:
            folders[:] = [name for name in folders if name not in skip]
        elif inside == "releases":
            folders[:] = []


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _processes(scope: Scope) -> Iterator[Violation]:
    """Nothing runs there that a run has started: by its mark, by its user, or by what it is."""
    uids = {(scope.host.view / "home" / user).stat().st_uid for user in scope.users}
    places = (scope.root.encode(), scope.to.encode() + b"/.octo-ssh", b"o_nonce", b"OCTO_MARK")
    for pid in scope.host.pids():
        with contextlib.suppress(OSError):  # it has ended
            process = Path(f"/proc/{pid}")
            words = process.joinpath("cmdline").read_bytes()
            if not words:
                continue  # a dead entry, or the kernel's
            name = process.joinpath("comm").read_text().strip()
            shown = f"{name} {words.replace(bytes(1), b' ')[:100].decode(errors='replace')}"
            if b"\0OCTO_MARK=" in b"\0" + process.joinpath("environ").read_bytes():
                yield scope.breach("process", f"it carries a mark: {shown}")
            elif any(place in words for place in places):
                yield scope.breach("process", f"it is a program of ours: {shown}")
            elif process.stat().st_uid in uids and name not in _AT_HOME:
                yield scope.breach("process", f"it is the login's: {shown}")

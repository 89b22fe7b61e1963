"""Which release folders must be looked into before anything is decided (SPEC section 6.4).

The fingerprint tells whether anybody touched the current release since its success; only where it does not, contents
are hashed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import Observed, PackageBaseline, PackagePlace, Place


@dataclass(frozen=True, slots=True)
class Doubt:
    """A release folder to look into: its manifest is wanted, and with ``hashed`` its whole content."""

    step_id: str
    to: str
    folder: str
    hashed: bool


def doubts(observed: Observed, wanted: Mapping[str, Manifest]) -> tuple[Doubt, ...]:
    """What is in doubt on a target, given what each package step (by id) wants there."""
    found: list[Doubt] = []
    for step_id, place in observed.packages.items():
        if step_id in wanted and place.place is Place.OURS:
            for folder, hashed in _folders(observed, place, wanted[step_id]).items():
                found.append(Doubt(step_id, place.to, folder, hashed))
    return tuple(found)


def recorded(observed: Observed, place: PackagePlace) -> PackageBaseline | None:
    """What the last success left at this place, if it is remembered."""
    name = recorded_as(observed, place)
    return None if name is None else observed.baseline.packages[name]


def recorded_as(observed: Observed, place: PackagePlace) -> str | None:
    """The id of the step that left it there: the step of that place may have another name now."""
    return next((name for name, left in observed.baseline.packages.items() if _same_place(left.to, place.to)), None)


def is_untouched(observed: Observed, place: PackagePlace) -> bool:
    """The current release is the one of the last success, and its fingerprint is what it was then."""
    left = recorded(observed, place)
    if left is None or place.current != left.folder or not left.fingerprint or left.fingerprint != place.fingerprint:
        return False
    return digest_of(place, left.folder) == left.manifest_sha256


def digest_of(place: PackagePlace, folder: str) -> str | None:
    """The digest of a complete folder's manifest; None when it is not there."""
    return next((release.manifest_sha256 for release in place.releases if release.name == folder), None)


def manifest_of(place: PackagePlace, folder: str, wanted: Manifest) -> Manifest | None:
    """A complete folder's own manifest; None when it is not known, or no longer the one that lies there."""
    digest = digest_of(place, folder)
    for known in (wanted, place.manifests.get(folder)):
        if known is not None and known.sha256 == digest:
            return known
    return None


def base_candidate(place: PackagePlace) -> str | None:
    """The folder whose unchanged files may be copied: the current one, else the one that was completed last."""
    names = [release.name for release in place.releases]
    if place.current in names:
        return place.current
    return max(names, key=_natural, default=None) if place.current is None else None


def _folders(observed: Observed, place: PackagePlace, wanted: Manifest) -> dict[str, bool]:
    folders: dict[str, bool] = {}
    for release in place.releases:
        if release.name == place.current:
            touched = not is_untouched(observed, place)
            if touched or release.manifest_sha256 != wanted.sha256:
                folders[release.name] = touched
        elif release.manifest_sha256 == wanted.sha256:
            folders[release.name] = True
    base = base_candidate(place)
    if base is not None and base != place.current and digest_of(place, base) != wanted.sha256:
        folders[base] = True
    return folders


def _same_place(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """1.10 after 1.9."""
    pieces: list[tuple[int, int, str]] = []
    word = ""
    for sign in name + "\0":
        if sign == "\0" or (word and word[-1].isdigit() != sign.isdigit()):
            pieces.append((1, int(word), "") if word.isascii() and word.isdigit() else (0, 0, word))
            word = ""
        word += sign
    return tuple(pieces)

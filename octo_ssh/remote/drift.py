"""Looks at all that a check for drift compares, in one round: ``drift.sh``, ``drift_as.sh`` (SPEC section 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from octo_ssh.model.manifest import Manifest, parse_manifest
from octo_ssh.model.observed import FileRequest, Observed, PackagePlace, Tree
from octo_ssh.model.program import LARGE_REPLY_BYTES, Reading, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.observe import PLACES, parse_target, state_file
from octo_ssh.remote.places import parse_place, place_groups
from octo_ssh.remote.resources import Resources, parse_resources, resource_words, unit_names
from octo_ssh.remote.source import body
from octo_ssh.remote.trees import parse_tree, unpacked_manifest

_WATCHED = (*PLACES, "tree", "seen", "watched")


@dataclass(frozen=True, slots=True)
class PlaceAsk:
    """A package's place, and what the controller knows of it."""

    step_id: str
    to: str
    """Absolute, or relative to the home of whoever looks."""
    shared: tuple[str, ...] = ()
    """Shared paths whose existence is asked."""
    fingerprint: str = ""
    """As the current release's should be; empty: unknown."""
    known_manifest: str = ""
    """The sha256 of a manifest that need not be sent; empty: none."""
    entries: int = 0
    """How many entries the current release should have, as far as that is known."""


@dataclass(frozen=True, slots=True)
class DriftAsk:
    """What is to be looked at."""

    places: tuple[PlaceAsk, ...] = ()
    files: tuple[FileRequest, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict)
    """Names of units by step id."""
    quick: bool = False
    """What stands as its fingerprint says is not read. Otherwise nobody asks for fingerprints, and there are none."""


@dataclass(frozen=True, slots=True)
class DriftSeen:
    """What was seen."""

    packages: Mapping[str, PackagePlace]
    """By step id. Of the current release: ``trees`` with ``owners``, unless no folder stands there, or ``quick`` was
    asked for and the fingerprint is as it should be; ``manifests`` where it is none that the controller has, and is
    one."""
    resources: Resources
    observed: Observed | None = None
    """The target as ``observe`` tells it, with all of the above; None for ``drift_as``."""


def drift(root: str, project: str, environment: str | None, ask: DriftAsk) -> Reading[DriftSeen]:
    """Everything that the login itself may look at.

    Raises RemoteError where ``root`` is not safe to use, for a damaged baseline, and for what cannot be the name of a
    unit. Where nothing was ever applied, the baseline is empty.
    """
    names = unit_names(ask.services)

    def parse(reply: Reply) -> DriftSeen:
        target, resources = replies.divided(replies.checked(reply), "resources")
        seen = _seen(target, resources, ask, names)
        observed = parse_target(target, seen.packages, state_file(*_names(project, environment)))
        observed = replace(observed, files=seen.resources.files, services=seen.resources.services)
        return replace(seen, observed=observed)

    return Reading(
        name="looking for drift",
        body=body("lease", "job", "job_seen", "memory", "facts", *_WATCHED, "drift"),
        words=(root, *_names(project, environment), *_ask_words(ask, names)),
        parse=parse,
        max_reply_bytes=LARGE_REPLY_BYTES,
    )


def drift_as(root: str, project: str, environment: str | None, ask: DriftAsk) -> Reading[DriftSeen]:
    """Places, files and units alone: for another user, who may not read ``root``, or for a second look. ``root`` is
    absolute here.
    """
    names = unit_names(ask.services)

    def parse(reply: Reply) -> DriftSeen:
        return _seen(*replies.divided(replies.checked(reply), "resources"), ask, names)

    return Reading(
        name="looking for drift",
        body=body(*_WATCHED, "drift_as"),
        words=(root, *_names(project, environment), *_ask_words(ask, names)),
        parse=parse,
        max_reply_bytes=LARGE_REPLY_BYTES,
    )


def _names(project: str, environment: str | None) -> tuple[str, str]:
    return words.name(project), words.environment_name(environment)


def _ask_words(ask: DriftAsk, names: Mapping[str, str]) -> Iterator[str]:
    yield from ("1" if ask.quick else "0", str(len(ask.places)))
    for place in ask.places:
        yield from (place.to, _digest(place.fingerprint), _digest(place.known_manifest))
        yield from (str(len(place.shared)), *place.shared)
    yield from resource_words(ask.files, names)


def _digest(text: str) -> str:
    return text and words.digest(text)


def _seen(places: Reply, resources: Reply, ask: DriftAsk, names: Mapping[str, str]) -> DriftSeen:
    return DriftSeen(_packages(places, ask.places), parse_resources(resources, ask.files, names))


def _packages(reply: Reply, asked: Sequence[PlaceAsk]) -> dict[str, PackagePlace]:
    found = place_groups(reply, len(asked))
    return {ask.step_id: _package(group, ask) for ask, group in zip(asked, found, strict=True)}


def _package(group: Mapping[str, bytes], ask: PlaceAsk) -> PackagePlace:
    place = parse_place(group, ask.shared)
    if place.current is None:
        return place
    tree, manifest = _tree(group, ask.entries), _manifest(group, ask.entries)
    return replace(
        place,
        trees={} if tree is None else {place.current: tree},
        manifests={} if manifest is None else {place.current: manifest},
    )


def _tree(group: Mapping[str, bytes], known: int) -> Tree | None:
    if "shut" in group:
        return Tree({}, frozenset((".",)))
    return parse_tree(group, owners=True, known=known) if "digests" in group else None


def _manifest(group: Mapping[str, bytes], known: int) -> Manifest | None:
    """None also for a file that somebody wrote to: the digest that ``releases`` tells is another then."""
    if "manifest" not in group:
        return None
    text = unpacked_manifest(group["manifest"], known)
    try:
        return parse_manifest(text)
    except ValueError:
        return None

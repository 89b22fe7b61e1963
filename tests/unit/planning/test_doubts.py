"""Which release folders must be looked into before anything is decided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from octo_ssh.model.observed import Baseline, Observed, PackageBaseline, PackagePlace, Place, ReleaseFolder
from octo_ssh.planning.doubts import doubts
from tests.unit.planning.builders import MANIFEST, files, observed, place

OLD = files(x="old")
CURRENT = place(
    current="1.0", releases=(ReleaseFolder("0.9", "0" * 64), ReleaseFolder("1.0", OLD.sha256)), fingerprint="print"
)


def seen(
    here: PackagePlace = CURRENT, *, folder: str = "1.0", fingerprint: str = "print", to: str = "/srv/shop"
) -> Observed:
    left = PackageBaseline(to, folder, OLD.sha256, fingerprint)
    return observed(places={"deploy": here}, baseline=Baseline(packages={"shop": left}))


def asked(here: Observed, wanted: object = OLD) -> list[tuple[str, bool]]:
    return [(doubt.folder, doubt.hashed) for doubt in doubts(here, {"deploy": wanted})]  # type: ignore[dict-item]


def test_an_untouched_release_that_is_wanted_is_not_in_doubt() -> None:
    assert asked(seen()) == []


def test_of_an_untouched_release_that_will_be_a_base_only_the_manifest_is_asked() -> None:
    assert asked(seen(), MANIFEST) == [("1.0", False)]


@pytest.mark.parametrize(
    "here",
    [
        seen(fingerprint="other"),
        seen(folder="0.9"),
        seen(to="/srv/elsewhere"),
        seen(replace(CURRENT, fingerprint=""), fingerprint=""),
        observed(places={"deploy": CURRENT}),
    ],
)
def test_a_current_release_that_may_have_been_touched_is_hashed(here: Observed) -> None:
    assert asked(here) == [("1.0", True)]


def test_a_manifest_that_was_changed_on_the_target_is_a_doubt() -> None:
    changed = replace(CURRENT, releases=(ReleaseFolder("1.0", "f" * 64),))
    assert asked(seen(changed)) == [("1.0", True)]


def test_another_complete_folder_with_the_wanted_content_is_hashed_before_it_is_used() -> None:
    here = replace(CURRENT, releases=(*CURRENT.releases, ReleaseFolder("1.1", MANIFEST.sha256)))
    assert asked(seen(here), MANIFEST) == [("1.0", False), ("1.1", True)]


def test_without_a_current_release_the_latest_complete_folder_may_be_the_base() -> None:
    folders = tuple(ReleaseFolder(name, OLD.sha256) for name in ("1.9", "1.10", "1.2"))
    assert asked(seen(replace(CURRENT, current=None, releases=folders)), MANIFEST) == [("1.10", True)]


@pytest.mark.parametrize("kind", [Place.ABSENT, Place.FOREIGN, Place.UNREADABLE])
def test_a_place_that_is_not_ours_is_not_looked_into(kind: Place) -> None:
    assert asked(seen(replace(CURRENT, place=kind), fingerprint="other")) == []


def test_current_that_points_at_nothing_complete_is_not_looked_into() -> None:
    assert asked(seen(replace(CURRENT, current="0.8")), MANIFEST) == []

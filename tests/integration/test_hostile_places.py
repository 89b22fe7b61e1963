"""What somebody planted on a target: links in our folders, odd names, damaged and endless files.

The target is told to be wrong, nothing outside our folders is touched there, and the other target gets its release.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.farm import Farm, Told, listing
from tests.integration.hostile import MAX_CONTROLLER_KB, is_clean, octo, untouched

STEPS = """
- name: Deploy
  package: shop
  shared: [var/uploads]
- name: Tell
  run: echo told
"""
FILES = {"bin/shop": "#!/bin/sh\necho shop\n", "var/uploads/README": "uploads live here\n"}


@pytest.fixture
def shop(farm: Farm) -> Farm:
    """Release 1.0 is on both targets."""
    farm.write_release(FILES)
    farm.write_plan(STEPS, max_failures=1)
    told = farm.apply()
    assert told.code == 0, told.stderr
    return farm


def next_release(farm: Farm) -> tuple[Told, int]:
    """Apply 1.1 where web-1 is hostile; the most memory that took, in kB. web-2 gets it: where a look at web-1 refuses
    the whole run before anything changes, when web-1 is left out.
    """
    farm.write_release({**FILES, "lib/new": "new\n"})
    farm.write_plan(STEPS, release="1.1", max_failures=1)
    told, peak_kb = octo(farm, "apply", "plan.yaml", "--json")
    assert is_clean(told.stdout.replace("\n", "")), told.stdout
    assert is_clean(told.stderr.replace("\n", "")), told.stderr
    if is_refused(told):
        assert told.code in (1, 5)
        assert farm.current("web-2") == "1.0"
        assert "web-1" in told.stderr
        assert farm.apply("--exclude", "web-1").code == 0
    else:
        assert told.ends["web-2"] == "changed", told.stdout[-2000:] + told.stderr
    assert farm.current("web-2") == "1.1"
    return told, peak_kb


def is_refused(told: Told) -> bool:
    """As a whole, before anything was changed."""
    return "nothing was changed" in told.stderr or told.code == 5


LINKS: dict[str, Callable[[Farm], Path]] = {
    "root": lambda farm: farm.root(),
    "lock": lambda farm: farm.root() / "lock",
    "state": lambda farm: farm.root() / "state",
    "the project's state": lambda farm: farm.root() / "state/shop",
    "store": lambda farm: farm.root() / "store",
    "work": lambda farm: farm.root() / "work",
    ".octo-ssh": lambda farm: farm.to() / ".octo-ssh",
    "releases": lambda farm: farm.to() / "releases",
    "shared": lambda farm: farm.to() / "shared",
    "the new release": lambda farm: farm.to() / "releases/1.1",
    "the current release": lambda farm: farm.to() / "releases/1.0",
}


@pytest.mark.parametrize("where", LINKS.values(), ids=LINKS.keys())
def test_a_link_in_the_place_of_our_folder_is_not_followed(shop: Farm, where: Callable[[Farm], Path]) -> None:
    planted, victim = where(shop), shop.home() / "victim"
    if planted.exists():
        planted.rename(victim)
    else:
        victim.mkdir()
    (victim / "precious").write_text("precious\n")
    planted.symlink_to(victim)
    before = listing(victim)
    told, _ = next_release(shop)
    assert listing(victim) == before
    assert planted.is_symlink() or planted.name == "1.1"  # nothing of ours stood under that name
    if is_refused(told):
        assert planted.name in (".octo-ssh", "releases")
    elif told.ends["web-1"] == "changed":  # the link was in nobody's way, and a release has found another name
        assert planted.name in ("1.0", "1.1")
        assert not shop.releases().isdisjoint({"1.1", "1.1_1"})
    else:
        assert (told.ends["web-1"], told.code) == ("failed", 1)


FILE_LINKS: dict[str, Callable[[Farm], Path]] = {
    "journal": lambda farm: farm.root() / "journal.jsonl",
    "baseline": lambda farm: farm.root() / "state/shop/default.json",
    "manifest": lambda farm: farm.to() / "releases/1.0.json",
    "new manifest": lambda farm: farm.to() / "releases/1.1.json",
    "owner": lambda farm: farm.to() / ".octo-ssh/owner",
    "current": lambda farm: farm.to() / "current",
}


@pytest.mark.parametrize("where", FILE_LINKS.values(), ids=FILE_LINKS.keys())
def test_a_link_in_the_place_of_our_file_is_not_written_through(shop: Farm, where: Callable[[Farm], Path]) -> None:
    planted, victim = where(shop), shop.home() / "victim"
    if planted.exists() and not planted.is_symlink():
        shutil.move(planted, victim)
    else:
        victim.write_text("precious\n")
    planted.unlink(missing_ok=True)
    planted.symlink_to(victim)
    before = victim.read_bytes()
    next_release(shop)
    assert victim.read_bytes() == before
    assert not victim.is_symlink()


def memory_of(farm: Farm) -> Path:
    return farm.root() / "state/shop/default.json"


def lying(**changes: Any) -> Callable[[Farm], None]:
    """The baseline says something else."""

    def plant(farm: Farm) -> None:
        data = json.loads(memory_of(farm).read_text())
        for key, value in changes.items():
            if key in data:
                data[key] = value
            else:
                data["packages"]["deploy"][key] = value
        memory_of(farm).write_text(json.dumps(data))

    return plant


def big(where: Callable[[Farm], Path], content: bytes, times: int) -> Callable[[Farm], None]:
    def plant(farm: Farm) -> None:
        with where(farm).open("wb") as file:
            for _ in range(times):
                file.write(content)

    return plant


ODD = (b"-rf", b"$(touch pwned)", b"`touch pwned`", b"a\nb", b"'\"; touch pwned #", b"\xff\xfe", b"*", b"\x1b[2J")
"""Names that mean something to shells and to terminals."""


def odd_names(farm: Farm) -> None:
    to, root = farm.to(), farm.root()
    for folder in (root / "lock", root / "work", root / "store", to / "releases", to / "shared", to / ".octo-ssh"):
        for name in ODD:
            os.makedirs(os.path.join(os.fsencode(folder), name), exist_ok=True)
    for name in ODD:
        os.makedirs(os.fsencode(to / ".octo-ssh/confirm.") + name)
        Path(os.fsdecode(os.path.join(os.fsencode(to / "releases"), name + b".json"))).write_text("[]")
        with open(os.path.join(os.fsencode(to / "releases/1.0/bin"), name), "w") as file:
            file.write("odd")
    (root / "work/20260101T000000Z-0000/$(touch pwned)").mkdir(parents=True)


def many_names(farm: Farm) -> None:
    for number in range(3000):
        os.symlink("x", farm.root() / f"lock/00{number}.r")
    for number in range(60):
        (farm.root() / f"work/{number}/job").mkdir(parents=True)
        (farm.to() / f"releases/old-{number}").mkdir()
        (farm.to() / f"releases/old-{number}.json").write_text("[]")


def odd_lease(farm: Farm) -> None:
    os.symlink("\x1b[2J$(touch pwned):1:2:3", farm.root() / "lock/99")


JOURNAL = lambda farm: farm.root() / "journal.jsonl"  # noqa: E731
DAMAGE: dict[str, tuple[Callable[[Farm], None], str]] = {
    "a deep baseline": (big(memory_of, b"[" * 1_000_000, 20), "on the target is damaged"),
    "a binary baseline": (big(memory_of, bytes(range(256)), 100), "on the target is damaged"),
    "a baseline with escape sequences": (big(memory_of, b'{"format":"\\u001b[2J"}', 1), "on the target is damaged"),
    "a folder that leads elsewhere": (lying(folder="../../../victim"), "on the target is damaged"),
    "a fingerprint that is none": (lying(fingerprint="$(touch pwned)"), "on the target is damaged"),
    "a journal without lines": (big(JOURNAL, b"x" * 1_000_000, 50), ""),
    "a binary journal": (big(JOURNAL, bytes(range(256)) * 1000, 10), ""),
    "an endless owner": (
        big(lambda farm: farm.to() / ".octo-ssh/owner", b"\x1b[2J\n" * 100_000, 20),
        "not this project",
    ),
    "an endless manifest": (big(lambda farm: farm.to() / "releases/1.0.json", b"[],\n" * 250_000, 50), ""),
    "odd names": (odd_names, ""),
    "many names": (many_names, ""),
    "a lease that is none": (odd_lease, "locked"),
}


@pytest.mark.parametrize(("plant", "words"), DAMAGE.values(), ids=DAMAGE.keys())
def test_what_is_damaged_harms_its_own_target_at_most(shop: Farm, plant: Callable[[Farm], None], words: str) -> None:
    plant(shop)
    with untouched(shop):
        checked, peak_kb = octo(shop, "drift", "plan.yaml", "--report", str(shop.folder / "web.html"))
        assert peak_kb < MAX_CONTROLLER_KB
        assert is_clean(checked.stdout.replace("\n", "")), checked.stdout
        told, peak_kb = next_release(shop)
        assert peak_kb < MAX_CONTROLLER_KB
    assert is_clean((shop.folder / "web.html").read_text().replace("\n", ""))
    assert words in told.stdout + told.stderr
    assert not any(list(folder.rglob("pwned")) for folder in (shop.home(), shop.folder))
    assert not Path("~/pwned").expanduser().exists()

"""Controllers that want the same targets at the same moment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.commands import Command
from tests.integration.farm import Farm

HOLD = """
- name: Hold
  run: |
    mkdir ~/held || echo twice >>~/violations
    while [ ! -e ~/go ]; do sleep 0.05; done
    rmdir ~/held
"""
"""A step that says so when somebody is in it already, and waits for ``~/go`` on its target."""
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Raced:
    """How one of them ended."""

    code: int
    stdout: str
    stderr: str


def race(starts: Sequence[Callable[[], Command]], let_go: Callable[[], None]) -> int:
    """Start them all at once; which of them held the targets. They apply ``HOLD``, all of them everywhere.

    Fails unless all but one were refused while that one held. ``let_go`` lets it end.
    """
    with ThreadPoolExecutor(len(starts)) as pool:
        running = [pool.submit(_to_its_end, start()) for start in starts]
        left = set(running)
        while len(left) > 1:
            done, left = wait(left, timeout=PATIENCE_S, return_when=FIRST_COMPLETED)
            if not done:
                break
        let_go()
        assert len(left) < 2, f"{len(left)} at once hold the targets"
        ends = [one.result() for one in running]
    codes = [end.code for end in ends]
    assert sorted(codes) == [0] + [5] * (len(starts) - 1), [(end.code, end.stderr) for end in ends]
    assert all("locked by" in end.stderr for end in ends if end.code == 5), ends
    return codes.index(0)


def _to_its_end(process: Command) -> Raced:
    stdout, stderr = process.communicate(timeout=3 * PATIENCE_S)
    assert process.returncode is not None
    return Raced(process.returncode, stdout, stderr)


@contextmanager
def another_controller(farm: Farm, name: str = "another") -> Iterator[Mapping[str, str]]:
    """What the farm starts meanwhile has records of its own, as on another machine."""
    home = farm.folder / name
    home.mkdir(exist_ok=True)
    before, farm.env = farm.env, {**farm.env, "HOME": str(home)}
    try:
        yield farm.env
    finally:
        farm.env = before


def race_on_farm(farm: Farm, controllers: int = 2) -> int:
    """One race for all targets of a farm, whose plan is ``HOLD``. Who held them; leaves them as they were."""

    def starter(number: int) -> Callable[[], Command]:
        def start() -> Command:
            with another_controller(farm, f"controller-{number}"):
                process = farm.start_apply()
            farm.forget(process)
            return process

        return start

    winner = race([starter(number) for number in range(controllers)], lambda: _touch(farm))
    for target in farm.hosts:
        home = farm.home(target)
        assert not (home / "violations").exists(), f"two were at work on {target} at once"
        assert not farm.is_locked(target)
        (home / "go").unlink()
    return winner


def _touch(farm: Farm) -> None:
    for target in farm.hosts:
        (farm.home(target) / "go").touch()


def lease_link(root: Path) -> Path:
    """The link that tells of the last lease in a target's root."""
    lock = root / "lock"
    last = max(int(path.name) for path in lock.iterdir() if path.name.isdigit())
    renewed = lock / f"{last}.r"
    return renewed if renewed.is_symlink() else lock / str(last)


def rewrite_lease(root: Path, *, age_s: float = 0.0, ttl_s: int = 90, boot_id: str | None = None) -> None:
    """Have the last lease say something else of its time; what it is renewed with later stands again."""
    link = lease_link(root)
    token, _, boot, _, who = os.readlink(link).split(":", 4)
    stamp_s = float(Path("/proc/uptime").read_text().split()[0]) - age_s
    made_up = link.with_name(f"{link.name.split('.')[0]}.n.test")
    made_up.symlink_to(f"{token}:{ttl_s}:{boot if boot_id is None else boot_id}:{stamp_s:.2f}:{who}")
    made_up.rename(link.with_name(f"{link.name.split('.')[0]}.r"))

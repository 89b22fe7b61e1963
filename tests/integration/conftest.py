"""Everything here talks to real OpenSSH servers; fixtures for single ones are in ``tests/conftest.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.farm import Farm
from tests.integration.sshd import Sshd, why_no_sshd


@pytest.fixture(autouse=True)
def _needs_sshd() -> None:
    if reason := why_no_sshd():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def sshd_pool(tmp_path_factory: pytest.TempPathFactory, client_key: Path) -> Iterator[Callable[[int], list[Sshd]]]:
    """Running sshds that the tests of a session share; as many as were ever asked for at once."""
    folder, pool = tmp_path_factory.mktemp("pool"), list[Sshd]()

    def take(count: int) -> list[Sshd]:
        while len(pool) < count:
            pool.append(Sshd.create(folder / f"sshd-{len(pool) + 1}", client_key))
        return pool[:count]

    yield take
    for sshd in pool:
        sshd.stop()
        sshd.end_what_it_left()


@pytest.fixture
def make_farm(tmp_path: Path, sshd_pool: Callable[[int], list[Sshd]]) -> Iterator[Callable[[int], Farm]]:
    """``make_farm(3)``: that many targets, with empty homes, and a folder to deploy from."""
    made: list[Farm] = []

    def make(count: int) -> Farm:
        made.append(Farm.create(tmp_path, sshd_pool(count)))
        return made[-1]

    yield make
    for farm in made:
        farm.close()


@pytest.fixture
def farm(make_farm: Callable[[int], Farm]) -> Farm:
    """Two targets."""
    return make_farm(2)

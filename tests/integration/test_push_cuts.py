"""Packages whose way to a target is cut at any byte: what came there is not sent again, and comes together right."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from subprocess import run

import pytest

from octo_ssh.execution.steady import SteadySession
from octo_ssh.model.events import ConnectionReopened, Event
from octo_ssh.remote.receive import Received, receive
from tests.conftest import MakeSshd
from tests.faults.proxy import Cut, How, Proxies, Proxy, Way
from tests.integration.farm import Farm, wait_until
from tests.integration.transport import QUICK, connector, target_of
from tests.unit.remote.releases import LEASE, take_lease

SIZE = 8_000_000
WINDOW = 2 * 1024 * 1024
"""What OpenSSH lets a sender be ahead."""
GREETING = 40_000
"""What it takes to connect, log in and start a program, and more."""
IMPATIENT = replace(QUICK, keepalive_interval_s=1.0, keepalive_count=3)


@pytest.fixture
def proxies() -> Iterator[Proxies]:
    made = Proxies()
    yield made
    made.close()


def cuts(seed: int, how: How) -> list[Cut]:
    """At four places of a push, wherever they are: in the handshake of a later connection, too."""
    chance = random.Random(seed)
    return [Cut(Way.UP, chance.randrange(2000, SIZE), how) for _ in range(4)]


@pytest.mark.parametrize(
    ("seed", "how"), [(1, How.RESET), (2, How.RESET), (3, How.RESET), (4, How.FORGOTTEN), (5, How.FORGOTTEN)]
)
async def test_of_a_push_that_is_cut_a_window_at_most_is_sent_twice(
    make_sshd: MakeSshd, tmp_path: Path, proxies: Proxies, seed: int, how: How
) -> None:
    """Also where the target does not hear of the cut, and a shell goes on waiting there for the rest."""
    sshd = make_sshd()
    proxy = proxies.to("web-01", sshd.host, sshd.port)
    known = tmp_path / "known_hosts"
    known.write_text(sshd.known_hosts_line.replace(f":{sshd.port} ", f":{proxy.port} "))
    target = target_of(sshd, port=proxy.port)
    take_lease(sshd.home / ".octo-ssh")
    bundle = tmp_path / "bundle"
    bundle.write_bytes(os.urandom(SIZE))
    digest = sha256(bundle.read_bytes()).hexdigest()
    events: list[Event] = []
    sent: list[int] = []
    async with connector(known, target, options=IMPATIENT) as made:
        session = SteadySession(target, made.connect, events.append, await made.connect(target), patience_s=60)
        proxy.arm(*cuts(seed, how))
        program = receive("~/.octo-ssh", digest, bundle, SIZE, **LEASE)
        assert await session.act(program, timeout_s=120, on_sent=sent.append) is Received.STORED
        lost = sum(isinstance(event, ConnectionReopened) for event in events)
        assert await session.act(program) is Received.HAD
        await session.close()
    store = sshd.home / ".octo-ssh/store"
    assert os.listdir(store) == [digest]
    assert sha256((store / digest).read_bytes()).hexdigest() == digest
    assert lost >= 1
    assert proxy.passed[Way.UP] < SIZE * 1.02 + (lost + 1) * (WINDOW + GREETING)
    assert sent[-1] == SIZE


RELEASE = "{package: shop, name: Deploy}"


@contextlib.contextmanager
def slow_way(farm: Farm, proxies: Proxies) -> Iterator[Proxy]:
    """The way to web-1 is slow enough for a push to be met in its middle."""
    near = farm.hosts["web-1"]
    proxy = proxies.to("web-1", near.host, near.port)
    known = farm.folder / "known_hosts"
    known.write_text(known.read_text() + near.known_hosts_line.replace(f":{near.port} ", f":{proxy.port} "))
    farm.write_inventory({"web-1": {"port": proxy.port}})
    proxy.delay_s = 0.05
    yield proxy
    proxy.delay_s = 0.0


def stored_bytes(farm: Farm) -> int:
    """How much of a bundle lies in the store of web-1, finished or not."""
    return sum(path.stat().st_size for path in (farm.root() / "store").glob("*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_in_a_push_is_gone_on_with(farm: Farm, proxies: Proxies, number: int) -> None:
    farm.write_release({"data": os.urandom(6_000_000).hex()[:6_000_000]})
    farm.write_plan(f"[{RELEASE}]")
    with slow_way(farm, proxies) as proxy:
        process = farm.start_apply("--limit", "web-1")
        wait_until(lambda: stored_bytes(farm) > 500_000, "the push is on its way")
        if number == signal.SIGKILL:
            farm.kill(process)
        else:
            farm.interrupt(process)
            assert farm.finish(process).code == 130
            assert not farm.is_locked()
        before = stored_bytes(farm)
        assert before > 500_000
        passed = proxy.passed[Way.UP]
        told = farm.apply("--limit", "web-1")
        assert told.code == 0, told.stdout[-2000:] + told.stderr
        whole = told.sent["web-1"]
        assert proxy.passed[Way.UP] - passed < whole - before + 400_000
    assert farm.current() == "1.0"
    assert not (farm.root() / "store").exists()
    assert farm.is_settled("--limit", "web-1")


def test_cut_connections_in_a_push_are_no_failure(farm: Farm, proxies: Proxies) -> None:
    farm.write_release({"data": os.urandom(6_000_000).hex()[:6_000_000]})
    farm.write_plan(f"[{RELEASE}]")
    with slow_way(farm, proxies) as proxy:
        proxy.arm(*(Cut(Way.UP, after, How.RESET) for after in (300_000, 900_000, 2_000_000)))
        told = farm.apply("--limit", "web-1")
        assert told.code == 0, told.stdout[-2000:] + told.stderr
        assert len(told.all("connection_reopened")) >= 2
    assert farm.current() == "1.0"
    assert farm.is_settled("--limit", "web-1")


@pytest.fixture
def cramped(farm: Farm) -> Iterator[Farm]:
    """The disk of web-1's root holds 4 MB and 400 files."""
    farm.root().mkdir(mode=0o700)
    words = ["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=400,mode=700", "tmpfs", str(farm.root())]
    if os.geteuid() != 0 or run(words, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield farm
    run(["umount", "-l", str(farm.root())], check=True)


@pytest.mark.parametrize("release", [{"data": "x" * 6_000_000}, {f"f{number}": "" for number in range(500)}])
def test_want_of_room_is_told_by_plan_and_nothing_is_begun(cramped: Farm, release: dict[str, str]) -> None:
    cramped.write_release(release)
    cramped.write_plan(f"[{{run: 'touch ~/began', name: Before}}, {RELEASE}]", max_failures=1)
    told = cramped.plan()
    assert set(told.document["broken"]) == {"web-1"}
    assert told.document["broken"]["web-1"].startswith(f"no room on the disk of {cramped.to()} for shop 1.0: ")
    applied = cramped.apply()
    assert applied.code == 1
    assert applied.ends == {"web-1": "failed", "web-2": "changed"}
    assert os.listdir(cramped.root()) == []
    assert not (cramped.home() / "began").exists()
    cramped.write_release({"data": "x"})
    assert cramped.apply().ends == {"web-1": "changed", "web-2": "changed"}


def test_a_package_that_turns_out_too_large_is_not_sent(cramped: Farm) -> None:
    """It would fit once, and not beside what is sent."""
    cramped.write_release({"data": os.urandom(1_250_000).hex()})
    cramped.write_plan(f"[{{run: 'touch ~/began', name: Before}}, {RELEASE}]", max_failures=1)
    applied = cramped.apply()
    assert applied.ends == {"web-1": "failed", "web-2": "changed"}
    lost = [event for event in applied.all("target_lost") if event["target"] == "web-1"]
    assert "no room on the disk of" in lost[0]["reason"]
    assert set(applied.sent) == {"web-2"}
    assert not (cramped.home() / "began").exists()
    assert not cramped.is_locked()

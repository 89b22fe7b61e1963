"""Targets behind jump hosts: each hop with its own host key, user, port, key and deadline."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from octo_ssh.errors import ConnectionLost, HostKeyRefused, Unreachable
from octo_ssh.model.inventory import Fallback, Hop, Target
from octo_ssh.transport.hostkeys import fetch_host_keys, updated
from tests.conftest import MakeSshd, SshdFarm
from tests.integration.sshd import Sshd, free_port, make_key
from tests.integration.transport import QUICK, acting, connector, home_of, known_hosts, reading, said, target_of

BASTION = Hop("bastion", is_target=True)
INNER = Hop("inner", is_target=True)


def logins(sshd: Sshd) -> int:
    return sshd.log.read_text().count("Accepted publickey")


async def test_two_hops_each_with_its_own_key(make_sshd: MakeSshd, tmp_path: Path) -> None:
    bastion, inner, last = make_sshd(), make_sshd(), make_sshd()
    own = make_key(tmp_path / "bastion-key")
    bastion.authorized_keys.write_text(own.with_suffix(".pub").read_text())
    known = known_hosts(tmp_path, bastion, inner, last)
    hops = (target_of(bastion, "bastion", identity=(str(own),)), target_of(inner, "inner"))
    target = target_of(last, jump=(BASTION, INNER))
    assert await home_of(known, target, *hops) == str(last.home)
    assert [logins(one) for one in (bastion, inner, last)] == [1, 1, 1]


async def test_a_jump_host_has_a_jump_host_of_its_own(sshd_farm: SshdFarm, tmp_path: Path) -> None:
    bastion, inner, last = sshd_farm(3)
    known = known_hosts(tmp_path, bastion, inner, last)
    hops = (target_of(bastion, "bastion"), target_of(inner, "inner", jump=(BASTION,)))
    assert await home_of(known, target_of(last, jump=(INNER,)), *hops) == str(last.home)
    assert logins(bastion) == 1


async def test_targets_share_one_connection_to_their_jump_host(sshd_farm: SshdFarm, tmp_path: Path) -> None:
    bastion, *farm = sshd_farm(4)
    known = known_hosts(tmp_path, bastion, *farm)
    targets = [target_of(sshd, f"web-{n}", jump=(BASTION,)) for n, sshd in enumerate(farm)]
    async with connector(known, target_of(bastion, "bastion"), *targets) as made:
        sessions = await asyncio.gather(*(made.connect(target) for target in targets))
        homes = await asyncio.gather(*(session.observe(reading('printf %s "$HOME"')) for session in sessions))
    assert [said(home) for home in homes] == [str(sshd.home) for sshd in farm]
    assert logins(bastion) == 1


async def test_much_goes_through_a_jump_host(sshd_farm: SshdFarm, tmp_path: Path) -> None:
    bastion, last = sshd_farm(2)
    target = target_of(last, jump=(BASTION,))
    async with connector(known_hosts(tmp_path, bastion, last), target_of(bastion, "bastion"), target) as made:
        session = await made.connect(target)
        data = bytes(10 * 1024 * 1024)
        reply = await session.act(acting(f"head -c {len(data)} | wc -c", given=(data,)))
    assert said(reply).strip() == str(len(data))


async def test_a_jump_in_defaults_does_not_stand_before_itself(sshd_farm: SshdFarm, tmp_path: Path) -> None:
    bastion, last = sshd_farm(2)
    known = known_hosts(tmp_path, bastion, last)
    fallback = Fallback(jump=(BASTION,))
    first, target = target_of(bastion, "bastion", fallback=fallback), target_of(last, fallback=fallback)
    assert await home_of(known, target, first) == str(last.home)
    assert await home_of(known, first) == str(bastion.home)
    assert await home_of(known, replace(target, jump=()), first) == str(last.home)
    assert logins(bastion) == 2


async def test_an_unknown_key_of_a_hop_refuses_what_lies_behind(sshd_farm: SshdFarm, tmp_path: Path) -> None:
    bastion, last = sshd_farm(2)
    known = known_hosts(tmp_path, last)
    with pytest.raises(HostKeyRefused) as caught:
        await home_of(known, target_of(last, jump=(BASTION,)), target_of(bastion, "bastion"))
    assert "web-01 lies behind bastion: host key of bastion (127.0.0.1:" in str(caught.value)
    assert "octo-ssh trust bastion" in caught.value.hint
    assert logins(last) == 0
    plain = Hop("127.0.0.1", user=bastion.user, port=bastion.port)
    with pytest.raises(HostKeyRefused) as caught:
        await home_of(known, target_of(last, jump=(plain,)))
    assert "octo-ssh trust web-01" in caught.value.hint


async def test_an_unknown_key_behind_a_hop_is_refused(sshd_farm: SshdFarm, tmp_path: Path) -> None:
    bastion, last = sshd_farm(2)
    with pytest.raises(HostKeyRefused, match=r"host key of web-01 .* is unknown"):
        await home_of(known_hosts(tmp_path, bastion), target_of(last, jump=(BASTION,)), target_of(bastion, "bastion"))


async def test_trust_goes_from_hop_to_hop(sshd_farm: SshdFarm, tmp_path: Path) -> None:
    bastion, last = sshd_farm(2)
    known = tmp_path / "known_hosts"
    known.write_text("")
    first, target = target_of(bastion, "bastion"), target_of(last, jump=(BASTION,))
    seen = []
    for _ in range(3):
        async with connector(known, first, target) as made:
            change = await fetch_host_keys(target, made)
        seen.append((change.target, change.address, bool(change.lines)))
        known.write_text(updated(known.read_text(), [change]))
    place = f"[127.0.0.1]:{last.port}"
    assert seen == [("bastion", f"[127.0.0.1]:{bastion.port}", True), ("web-01", place, True), ("web-01", place, False)]


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("127.0.0.1", 1, "jump host bastion cannot reach it: Connect"),
        ("web-01.invalid", 22, "jump host bastion cannot reach it: "),
    ],
)
async def test_what_the_jump_host_cannot_reach_is_told(
    host: str, port: int, words: str, sshd: Sshd, tmp_path: Path
) -> None:
    target = target_of(sshd, jump=(BASTION,), host=host, port=port)
    with pytest.raises(Unreachable, match=words):
        await home_of(known_hosts(tmp_path, sshd), target, target_of(sshd, "bastion"))


async def test_a_jump_host_that_forbids_forwarding_is_told(make_sshd: MakeSshd, sshd: Sshd, tmp_path: Path) -> None:
    bastion = make_sshd(extra="AllowTcpForwarding no")
    with pytest.raises(Unreachable, match=r"jump host bastion refuses to forward: .*\n.*AllowTcpForwarding"):
        await home_of(
            known_hosts(tmp_path, bastion, sshd), target_of(sshd, jump=(BASTION,)), target_of(bastion, "bastion")
        )


async def test_a_dead_jump_host_is_the_reason_for_all_behind_it(sshd: Sshd, tmp_path: Path) -> None:
    dead = target_of(sshd, "bastion", port=free_port())
    targets = [target_of(sshd, f"web-{n}", jump=(BASTION,)) for n in range(5)]
    async with connector(known_hosts(tmp_path, sshd), dead, *targets) as made:
        results = await asyncio.gather(*(made.connect(target) for target in targets), return_exceptions=True)
    assert all(isinstance(result, Unreachable) and not isinstance(result, HostKeyRefused) for result in results)
    assert "web-3 lies behind bastion: bastion (127.0.0.1:" in str(results[3])


async def test_a_hop_that_hangs_runs_into_its_deadline(sshd: Sshd, tmp_path: Path) -> None:
    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda reader, writer: writers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    try:
        options = replace(QUICK, handshake_s=0.7)
        with pytest.raises(Unreachable, match=r"handshake was not done within 0\.7 s, no SSH greeting came"):
            await home_of(
                known_hosts(tmp_path, sshd),
                target_of(sshd, port=port, jump=(BASTION,)),
                target_of(sshd, "bastion"),
                options=options,
            )
    finally:
        silent.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def test_a_circle_of_jump_hosts_is_told(sshd: Sshd, tmp_path: Path) -> None:
    a = target_of(sshd, "a", jump=(Hop("b", is_target=True),))
    b = target_of(sshd, "b", jump=(Hop("a", is_target=True),))
    with pytest.raises(Unreachable, match="the jump hosts form a circle: a → b → a"):
        await home_of(known_hosts(tmp_path, sshd), a, b)


async def test_a_lost_jump_connection_loses_what_is_behind_and_is_made_again(
    sshd_farm: SshdFarm, tmp_path: Path
) -> None:
    bastion, last = sshd_farm(2)
    target = target_of(last, jump=(BASTION,))
    async with connector(known_hosts(tmp_path, bastion, last), target_of(bastion, "bastion"), target) as made:
        session = await made.connect(target)
        running = asyncio.create_task(session.observe(reading("sleep 20")))
        await session.observe(reading("true"))
        bastion.drop_connections()
        with pytest.raises(ConnectionLost):
            await running
        again = await made.connect(target)
        assert said(await again.observe(reading("echo back"))) == "back"


def six(target: Target) -> Target:
    return replace(target, host="::1")


async def test_a_target_has_an_ipv6_address(make_sshd: MakeSshd, tmp_path: Path) -> None:
    sshd = make_sshd(extra="ListenAddress ::1")
    known = tmp_path / "known_hosts"
    known.write_text(f"[::1]:{sshd.port} {sshd.host_public_key}\n{sshd.known_hosts_line}")
    assert await home_of(known, six(target_of(sshd))) == str(sshd.home)
    assert await home_of(known, six(target_of(sshd, jump=(BASTION,))), target_of(sshd, "bastion")) == str(sshd.home)

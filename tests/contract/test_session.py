"""One contract for every kind of session: this machine's own shell, a real sshd, the embedded server."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from octo_ssh.errors import ConnectionLost, Position, RemoteError, TargetTimeout
from octo_ssh.model.inventory import Target
from octo_ssh.model.jobs import Hangup, JobEnd, JobKey, JobPlace, JobState
from octo_ssh.model.values import Secret
from octo_ssh.remote.job import attach, launch
from octo_ssh.transport.embedded import EmbeddedServer, make_key_pair
from octo_ssh.transport.local import LocalSession
from octo_ssh.transport.session import Session
from tests.conftest import MakeSshd
from tests.integration.transport import acting, connector, known_hosts, reading, said, target_of

MB = 1024 * 1024


@pytest.fixture(params=["local", "sshd", "embedded"])
async def session(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Session]:
    if request.param == "local":
        home = tmp_path / "home"
        home.mkdir()
        yield LocalSession("web-01", home=str(home))
    elif request.param == "sshd":
        make_sshd: MakeSshd = request.getfixturevalue("make_sshd")
        sshd = make_sshd()
        async with connector(known_hosts(tmp_path, sshd)) as made:
            yield await made.connect(target_of(sshd))
    else:
        key = tmp_path / "id"
        public = make_key_pair(key)
        server = EmbeddedServer(tmp_path / "home", host_key=tmp_path / "host_key", authorized_key=public)
        async with server:
            known = tmp_path / "known_hosts"
            known.write_text(server.known_hosts_line + "\n")
            target = Target(
                "web-01", Position("i"), host=server.host, port=server.port, identity=(str(key),), ssh_config="none"
            )
            async with connector(known) as made:
                yield await made.connect(target)


async def test_a_program_sees_its_words_and_its_home(session: Session, tmp_path: Path) -> None:
    reply = await session.observe(reading('printf "%s|" "$@"', "it's", "two\nlines", "$HOME `x`"))
    assert said(reply) == "it's|two\nlines|$HOME `x`|"
    assert said(await session.observe(reading('printf %s "$HOME"'))).endswith("/home")


async def test_the_target_is_named(session: Session) -> None:
    assert session.target == "web-01"


async def test_every_byte_comes_back(session: Session) -> None:
    reply = await session.act(acting("head -c 70000", given=(bytes(range(256)) * 273 + bytes(112),)))
    assert reply.section("said").startswith(bytes(range(256)))
    assert len(reply.section("said").rstrip(b"\n")) >= 70000 - 200


async def test_sixty_megabytes_arrive_whole(session: Session) -> None:
    piece = hashlib.sha512(b"seed").digest() * (MB // 64)
    counts: list[int] = []
    reply = await session.act(
        acting(f"head -c {60 * MB} | sha256sum | cut -c 1-64", given=(piece,) * 60), timeout_s=90, on_sent=counts.append
    )
    assert said(reply) == hashlib.sha256(piece * 60).hexdigest()
    assert counts[-1] == 60 * MB
    assert counts == sorted(counts)


async def test_a_secret_travels_as_input(session: Session) -> None:
    reply = await session.act(acting("head -c 9 | tr a-z A-Z", given=(Secret("geheimnis"),)))
    assert said(reply) == "GEHEIMNIS"


async def test_output_is_streamed_and_not_kept(session: Session) -> None:
    pieces: list[bytes] = []
    first = asyncio.Event()

    def take(data: bytes) -> None:
        pieces.append(data)
        first.set()

    body = "echo one; head -c 1 >/dev/null; echo two"
    running = asyncio.create_task(session.act(acting(body, given=(b"x",), section="output"), on_output=take))
    await asyncio.wait_for(first.wait(), 10)
    reply = await running
    assert b"".join(pieces).split() == [b"one", b"two"]
    assert [name for name, _ in reply.sections if name == "output"] in ([], ["output"])
    assert all(content == b"" for name, content in reply.sections if name == "output")


async def test_much_output_is_not_lost(session: Session) -> None:
    total = 0

    def take(data: bytes) -> None:
        nonlocal total
        total += len(data)

    await session.act(acting("head -c 20000000 /dev/zero", section="output"), on_output=take, timeout_s=60)
    assert total in (20000000, 20000001)


async def test_the_exit_status_is_the_programs_own(session: Session) -> None:
    assert (await session.observe(reading("(exit 7)"))).status == 7


async def test_standard_error_is_kept_for_people(session: Session) -> None:
    reply = await session.observe(reading("echo oops >&2; sleep 0.2"))
    assert b"oops" in reply.stderr


async def test_a_reply_that_makes_no_sense_is_a_remote_error(session: Session) -> None:
    with pytest.raises(RemoteError, match="stopped in the middle, status 3"):
        await session.observe(reading("exit 3"))


async def test_a_program_that_takes_too_long_is_ended(session: Session) -> None:
    with pytest.raises(TargetTimeout, match="within 1 s"):
        await session.act(acting("cat >/dev/null"), timeout_s=1)


async def test_a_cancelled_program_sees_the_end_of_its_input(session: Session, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    started = asyncio.Event()
    body = f"echo here; cat >/dev/null; echo gone >{mark}"
    running = asyncio.create_task(session.act(acting(body, section="output"), on_output=lambda _: started.set()))
    await asyncio.wait_for(started.wait(), 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert mark.read_text() == "gone\n"
    assert said(await session.observe(reading("echo next"))) == "next"


async def test_a_program_that_is_cancelled_hears_its_farewell(session: Session, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    started = asyncio.Event()
    program = replace(acting(f"echo here; cat >'{heard}'", section="output"), farewell=b"stop\n")
    running = asyncio.create_task(session.act(program, on_output=lambda _: started.set()))
    await asyncio.wait_for(started.wait(), 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert heard.read_text() == "stop\n"


async def test_a_job_is_run_to_its_end_and_listened_to_again(session: Session, tmp_path: Path) -> None:
    place = JobPlace(str(tmp_path / "root"), "run-1", "migrate.run", "5" * 32)
    program = launch(
        place,
        key=JobKey("migrate", "run", "0" * 64),
        env={"TOKEN": Secret("s3cret")},
        script='echo one; sleep 0.3; echo "$TOKEN" >&2; exit 3',
        cwd=None,
        timeout_s=60,
        limit_bytes=MB,
        hangup=Hangup.LEAVE,
    )
    heard: list[bytes] = []
    assert await session.act(program, on_output=heard.append) == JobEnd(JobState.ENDED, 3)
    assert b"".join(heard) == b"one\ns3cret\n"
    heard.clear()
    again = attach(place, offset=4, take_void=True)
    assert await session.act(again, on_output=heard.append) == JobEnd(JobState.ENDED, 3)
    assert b"".join(heard) == b"s3cret\n"


async def test_twenty_programs_at_once_all_answer(session: Session) -> None:
    replies = await asyncio.gather(*(session.observe(reading(f"sleep 0.1; echo {n}")) for n in range(20)))
    assert [said(reply) for reply in replies] == [str(n) for n in range(20)]


async def test_a_grandchild_that_keeps_the_output_open_does_not_hang(session: Session) -> None:
    reply = await session.observe(reading("sleep 3 & echo done"), timeout_s=20)
    assert said(reply) == "done"


async def test_a_killed_shell_is_a_lost_connection(session: Session) -> None:
    with pytest.raises(ConnectionLost):
        await session.observe(reading("kill -KILL $$"))


async def test_closing_twice_does_no_harm(session: Session) -> None:
    await session.close()
    await session.close()


async def test_a_sender_that_waits_when_the_connection_breaks_is_told_so(make_sshd: MakeSshd, tmp_path: Path) -> None:
    sshd = make_sshd()
    target = target_of(sshd)
    async with connector(known_hosts(tmp_path, sshd), target) as made:
        opened = await made.connect(target)
        async with opened._shell() as pipe:
            await pipe.write(b"sleep 60\n")
            writing = asyncio.create_task(pipe.write(b"x" * 50_000_000))
            await asyncio.sleep(0)
            opened._link.connection.connection_lost(ConnectionResetError("reset"))
            with pytest.raises(ConnectionLost, match="reset"):
                await writing

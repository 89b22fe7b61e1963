"""A program's life over one shell: beginnings that fail, sudo, input, deadlines, ends that come too early."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from octo_ssh.errors import ConnectionLost, RemoteError, StateError, SudoRefused, TargetTimeout
from octo_ssh.model.program import Acting, FileInput, Input, Reply, Sudo
from octo_ssh.model.values import Secret
from octo_ssh.transport import conversation
from octo_ssh.transport.local import LocalSession

UP = 'n=$1; printf "%s up\\n" "$n"; '

SUDO = """#!/bin/sh
# A sudo that knows one password; as sudo does, it asks thrice.
while [ "$1" != -- ]; do [ "$1" != -p ] || prompt=$2; shift; done
shift
[ -z "$COUNT" ] || echo started >>"$COUNT"
read_line() { line=; while c=$(dd bs=1 count=1 2>/dev/null; echo .); c=${c%.}; [ "$c" != "
" ] && [ -n "$c" ]; do line=$line$c; done; }
echo 'We trust you have received the usual lecture.' >&2
for try in 1 2 3; do
    [ -z "$FREE" ] || exec "$@"
    [ -z "$FORBIDDEN" ] || { echo 'sudo: you may not' >&2; exit 1; }
    printf %s "$prompt" >&2
    read_line
    [ "$line" != "open sesame" ] || exec "$@"
    echo 'Sorry, try again.' >&2
    [ -z "$ONCE" ] || exit 1
done
exit 1
"""


def acting(text: str, *pieces: Input) -> Acting[Reply]:
    return Acting("the test", UP + text, (), lambda reply: reply, pieces)


@pytest.fixture
def session() -> LocalSession:
    return LocalSession("web-01")


def with_sudo(folder: Path, **env: str) -> LocalSession:
    (folder / "sudo").write_text(SUDO)
    (folder / "sudo").chmod(0o755)
    return LocalSession("web-01", env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **env})


ASK = acting('printf "%s a\\n" "$n"; head -c 5; printf "%s end 0\\n" "$n"', b"input")


async def test_noise_before_the_program_is_dropped(tmp_path: Path) -> None:
    shell = tmp_path / "noisy"
    shell.write_text("#!/bin/sh\necho 'Welcome! deadbeef up'\nprintf 'no newline'\necho oops >&2\nexec sh -s\n")
    shell.chmod(0o755)
    reply = await LocalSession(shell=(str(shell),)).act(ASK)
    assert reply.sections == (("a", b"input"),)


async def test_a_login_without_a_shell_is_told_in_its_own_words(tmp_path: Path) -> None:
    shell = tmp_path / "nologin"
    shell.write_text("#!/bin/sh\necho 'This account is currently not available.'\nexit 1\n")
    shell.chmod(0o755)
    with pytest.raises(RemoteError, match=r"web-01: .*no shell answered: This account is currently not available\."):
        await LocalSession("web-01", shell=(str(shell),)).act(ASK)


async def test_a_shell_that_says_nothing_is_given_up(session: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "START_TIMEOUT_S", 0.2)
    with pytest.raises(TargetTimeout, match="the shell did not answer"):
        await LocalSession("web-01", shell=("sleep", "60")).act(ASK)


async def test_a_shell_that_is_killed_is_a_lost_connection(session: LocalSession) -> None:
    with pytest.raises(ConnectionLost, match="web-01: the connection was lost"):
        await session.act(acting("kill -9 $$"))


@pytest.mark.parametrize("signal", ["HUP", "TERM", "KILL"])
async def test_a_shell_that_is_killed_within_another_is_lost_too(tmp_path: Path, signal: str) -> None:
    login = tmp_path / "login"
    login.write_text("#!/bin/sh\nsh -s\nexit $?\n")
    login.chmod(0o755)
    with pytest.raises(ConnectionLost, match=r"web-01: the test was killed, status 1[234][379]"):
        await LocalSession("web-01", shell=(str(login),)).act(acting(f"kill -{signal} $$"))


async def test_a_program_that_stops_in_the_middle_is_told_with_its_last_words(session: LocalSession) -> None:
    with pytest.raises(RemoteError, match=r"stopped in the middle, status 3: disk on fire"):
        await session.act(acting("echo 'disk on fire' >&2; exit 3"))


async def test_a_reply_that_makes_no_sense_is_an_error_of_the_target(session: LocalSession) -> None:
    with pytest.raises(RemoteError, match="makes no sense"):
        await session.act(acting('printf "%s NONSENSE\\n" "$n"; sleep 5'))
    bad = Acting("the test", UP + 'printf "%s end 0\\n" "$n"', (), lambda reply: reply.section("missing"))
    with pytest.raises(RemoteError, match="makes no sense: the reply holds 0 sections named 'missing'"):
        await session.act(bad)


async def test_input_of_every_kind_arrives_whole_and_is_counted(session: LocalSession, tmp_path: Path) -> None:
    file = tmp_path / "bundle"
    file.write_bytes(os.urandom(1_000_000))
    program = acting(
        'printf "%s a\\n" "$n"; head -c 1000008; printf "%s end 0\\n" "$n"',
        b"abc",
        FileInput(str(file), 1_000_000),
        Secret("12345"),
    )
    sent: list[int] = []
    reply = await session.act(program, on_sent=sent.append)
    assert reply.section("a") == b"abc" + file.read_bytes() + b"12345"
    assert sent == sorted(sent)
    assert sent[-1] == 1_000_008


async def test_of_a_file_that_the_target_has_in_part_the_rest_is_sent(session: LocalSession, tmp_path: Path) -> None:
    file = tmp_path / "bundle"
    file.write_bytes(os.urandom(1_000_000))
    program = acting(
        'printf "%s at\\n400000%s a\\n" "$n" "$n"; head -c 600003; printf "%s end 0\\n" "$n"',
        FileInput(str(file), 1_000_000, resumes=True),
        b"abc",
    )
    sent: list[int] = []
    reply = await session.act(program, on_sent=sent.append)
    assert reply.section("a") == file.read_bytes()[400_000:] + b"abc"
    assert sent[0] > 400_000
    assert sent[-1] == 1_000_003


async def test_nothing_is_sent_of_a_file_that_the_target_says_nothing_of(session: LocalSession, tmp_path: Path) -> None:
    program = acting('printf "%s end 0\\n" "$n"', FileInput(str(tmp_path / "missing"), 10, resumes=True))
    assert (await session.act(program)).status == 0


@pytest.mark.parametrize("told", ["11", "-1", "", "x", "9" * 30])
async def test_a_target_that_says_it_has_more_than_there_is_makes_no_sense(
    session: LocalSession, tmp_path: Path, told: str
) -> None:
    file = tmp_path / "bundle"
    file.write_bytes(b"0123456789")
    program = acting(f'printf "%s at\\n{told}%s a\\n" "$n" "$n"; cat', FileInput(str(file), 10, resumes=True))
    with pytest.raises(RemoteError, match=r"makes no sense: it has .* bytes of a file of 10"):
        await session.act(program)


async def test_a_file_that_became_shorter_is_an_error_of_the_controller(session: LocalSession, tmp_path: Path) -> None:
    file = tmp_path / "bundle"
    file.write_bytes(b"short")
    with pytest.raises(StateError, match="became shorter"):
        await session.act(acting("cat >/dev/null", FileInput(str(file), 10)))


async def test_a_program_that_ends_before_its_input_is_read_has_ended(session: LocalSession) -> None:
    reply = await session.act(acting('printf "%s end 7\\n" "$n"', b"x" * 50_000_000))
    assert reply.status == 7


async def test_a_deadline_closes_the_input_and_waits_for_the_end(session: LocalSession, tmp_path: Path) -> None:
    program = acting(f'cat; sleep 0.3; echo ended >"{tmp_path}/ended"; printf "%s end 0\\n" "$n"')
    with pytest.raises(TargetTimeout, match=r"was not done within 0\.2 s"):
        await session.act(program, timeout_s=0.2)
    assert (tmp_path / "ended").exists()


async def test_a_deadline_that_nothing_obeys_says_that_something_may_run(
    session: LocalSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "CLOSING_TIMEOUT_S", 0.2)
    with pytest.raises(TargetTimeout, match="may still be running"):
        await session.act(acting("sleep 60"), timeout_s=0.2)


async def test_a_cancelled_program_is_waited_for(session: LocalSession, tmp_path: Path) -> None:
    up = tmp_path / "up"
    program = acting(f'touch "{up}"; cat; sleep 0.3; echo >"{tmp_path}/ended"; printf "%s end 0\\n" "$n"')
    task = asyncio.create_task(session.act(program))
    while up.name not in os.listdir(tmp_path):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "ended" in os.listdir(tmp_path)


async def test_sudo_gets_the_password_only_at_its_prompt(tmp_path: Path) -> None:
    sudo = Sudo("root", Secret("open sesame"))
    assert (await with_sudo(tmp_path).act(ASK, sudo=sudo)).section("a") == b"input"
    assert (await with_sudo(tmp_path, FREE="1").act(ASK, sudo=sudo)).section("a") == b"input"
    assert (await with_sudo(tmp_path, FREE="1").act(ASK, sudo=Sudo("root"))).section("a") == b"input"


async def test_a_wrong_password_is_tried_once_and_never_shown(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="sudo refused the password") as caught:
        await with_sudo(tmp_path).act(ASK, sudo=Sudo("root", Secret("wr0ng")))
    assert "wr0ng" not in str(caught.value)


async def test_a_password_that_was_refused_is_not_tried_again_also_at_the_same_time(tmp_path: Path) -> None:
    session, wrong = with_sudo(tmp_path, COUNT=f"{tmp_path}/count"), Sudo("root", Secret("wr0ng"))
    errors = await asyncio.gather(*(session.act(ASK, sudo=wrong) for _ in range(3)), return_exceptions=True)
    with pytest.raises(SudoRefused) as caught:
        await session.act(ASK, sudo=wrong)
    assert {str(type(error)) for error in errors} == {str(SudoRefused)}
    assert {getattr(error, "message", "") for error in errors} == {caught.value.message}
    assert caught.value.hint.startswith("look at become.password of this target; it is not tried again here")
    assert (tmp_path / "count").read_text() == "started\n"
    assert (await session.act(ASK, sudo=Sudo("app", Secret("open sesame")))).section("a") == b"input"


async def test_a_right_password_is_given_to_many_at_the_same_time(tmp_path: Path) -> None:
    session, sudo = with_sudo(tmp_path), Sudo("root", Secret("open sesame"))
    meeting = acting(
        f'printf x >>"{tmp_path}/here"; until [ "$(cat "{tmp_path}/here")" = xxx ]; do sleep 0.05; done\n'
        'printf "%s end 0\\n" "$n"'
    )
    replies = await asyncio.gather(*(session.act(meeting, sudo=sudo) for _ in range(3)))
    assert [reply.status for reply in replies] == [0, 0, 0]


async def test_a_refusal_at_the_last_try_is_one_too(tmp_path: Path) -> None:
    session = with_sudo(tmp_path, COUNT=f"{tmp_path}/count", ONCE="1")
    for _ in range(2):
        with pytest.raises(SudoRefused, match=r"sudo refused: (.|\n)*Sorry, try again"):
            await session.act(ASK, sudo=Sudo("root", Secret("wr0ng")))
    assert (tmp_path / "count").read_text() == "started\n"


async def test_a_password_that_is_wanted_and_not_given_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"sudo wants a password(.|\n)*become\.password"):
        await with_sudo(tmp_path).act(ASK, sudo=Sudo("root"))


async def test_sudo_that_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"sudo refused(.|\n)*you may not"):
        await with_sudo(tmp_path, FORBIDDEN="1").act(ASK, sudo=Sudo("root"))


async def test_a_password_of_two_lines_is_no_command_for_the_other_user(tmp_path: Path) -> None:
    password = Secret(f"open sesame\n: >'{tmp_path}/done'")
    with pytest.raises(RemoteError, match=r"one line(.|\n)*become\.password"):
        await with_sudo(tmp_path).act(ASK, sudo=Sudo("root", password))
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("words", [("a\0b",), ("x" * 200_000,)])
async def test_words_that_cannot_be_sent_are_an_error_of_that_program(
    words: tuple[str, ...], session: LocalSession
) -> None:
    with pytest.raises(RemoteError, match="the test cannot be sent"):
        await session.act(Acting("the test", UP, words, lambda reply: reply))


SAYS_WHAT_CAME = 'cat >came; printf "%s output\\n%s end 0\\n" "$n" "$n"'


def leaving(*pieces: Input, first: str = "") -> Acting[Reply]:
    return Acting("the test", f"{first}{UP}{SAYS_WHAT_CAME}", (), lambda reply: reply, pieces, farewell=b"stop\n")


async def test_a_farewell_comes_before_the_end_of_input_that_is_meant(tmp_path: Path) -> None:
    session = LocalSession(home=str(tmp_path))
    with pytest.raises(TargetTimeout):
        await session.act(leaving(b"given\n"), timeout_s=0.3)
    assert (tmp_path / "came").read_bytes() == b"given\nstop\n"


async def test_a_farewell_waits_until_the_program_is_up(tmp_path: Path) -> None:
    session = LocalSession(home=str(tmp_path))
    task = asyncio.create_task(session.act(leaving(first="sleep 0.5; ")))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "came").read_bytes() == b"stop\n"


async def test_input_that_is_cut_off_gets_no_farewell(tmp_path: Path) -> None:
    session = LocalSession(home=str(tmp_path))
    program = Acting("the test", f"{UP}sleep 1; {SAYS_WHAT_CAME}", (), lambda reply: reply, (b"x" * 1_000_000,))
    with pytest.raises(TargetTimeout):
        await session.act(replace(program, farewell=b"stop\n"), timeout_s=0.5)
    came = (tmp_path / "came").read_bytes()
    assert 0 < len(came) < 1_000_000
    assert b"stop" not in came


async def test_a_program_that_is_ended_by_its_own_fault_gets_no_farewell(tmp_path: Path) -> None:
    session = LocalSession(home=str(tmp_path))
    program = Acting("the test", UP + "(cat >came) & kill -9 $$", (), lambda reply: reply, farewell=b"stop\n")
    with pytest.raises(ConnectionLost):
        await session.act(program)
    async with asyncio.timeout(10):
        while not (tmp_path / "came").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (tmp_path / "came").read_bytes() == b""


async def test_with_sudo_one_may_begin_in_a_folder_that_the_login_makes(tmp_path: Path) -> None:
    inside = tmp_path / "work of ünï/run/job"
    session = with_sudo(tmp_path, FREE="1")
    program = acting('printf "%s a\\n" "$n"; pwd; printf "%s end 0\\n" "$n"')
    for _ in range(2):
        reply = await session.act(program, sudo=Sudo("deploy", inside=str(inside)))
        assert reply.section("a").decode() == f"{inside}\n"
    assert inside.stat().st_mode & 0o777 == 0o777
    assert inside.parent.stat().st_mode & 0o777 == 0o700


async def test_a_folder_that_cannot_be_entered_is_no_refusal_of_sudo(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    session = with_sudo(tmp_path, FREE="1")
    for name in ("link", "file/job"):
        with pytest.raises(RemoteError, match=rf"web-01: .*/{name} cannot be entered"):
            await session.act(ASK, sudo=Sudo("deploy", inside=str(tmp_path / name)))

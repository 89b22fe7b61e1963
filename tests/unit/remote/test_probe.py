"""Probes, under every shell: asked on the target, as often as there is time."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from octo_ssh import remote
from octo_ssh.errors import RemoteError
from octo_ssh.remote.probe import ProbeResult, ask_command, ask_http, probe_command, probe_http

from .conftest import SHELLS, Machine
from .test_script import alive, wait_for


@dataclass
class Site:
    """A web server that answers from a list; the last answer stays."""

    answers: list[tuple[int, bytes]]
    asked: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> tuple[int, bytes]:
        with self.lock:
            self.asked += 1
            return self.answers[min(self.asked, len(self.answers)) - 1]


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site([(200, b"all is ok here")])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = found.next()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}/health?a=1&b=[2]"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


async def ask(machine: Machine, url: str, contains: str | None = None, within_s: float = 1) -> ProbeResult:
    return await machine.session.act(probe_http(url, contains=contains, within_s=within_s, every_s=1))


async def test_a_2xx_passes(machine: Machine, site: Site) -> None:
    result = await ask(machine, site.url)
    assert result.passed
    assert site.asked == 1


async def test_the_text_must_be_in_it(machine: Machine, site: Site) -> None:
    assert (await ask(machine, site.url, "is ok")).passed
    result = await ask(machine, site.url, "is [ok*")
    assert not result.passed
    assert b"all is ok here" in result.last


async def test_it_is_asked_again_until_it_is_well(machine: Machine, site: Site) -> None:
    site.answers = [(503, b"starting"), (503, b"starting"), (200, b"ok")]
    assert (await ask(machine, site.url, within_s=20)).passed
    assert site.asked == 3


async def test_what_stays_unwell_fails_with_its_last_answer(one_machine: Machine, site: Site) -> None:
    site.answers = [(500, b"database is down")]
    result = await ask(one_machine, site.url)
    assert not result.passed
    assert result.last == b"HTTP status 500\ndatabase is down"


async def test_who_only_looks_may_ask_too(machine: Machine, site: Site) -> None:
    asked = await machine.session.observe(ask_http(site.url, contains="is ok", within_s=1, every_s=1))
    assert asked.passed
    assert not (await machine.session.observe(ask_http(site.url, contains="no", within_s=1, every_s=1))).passed


@pytest.mark.parametrize(("cwd", "told"), [(None, "/"), ("a b", "{home}/a b")])
async def test_who_only_looks_may_run_a_command_too(machine: Machine, cwd: str | None, told: str) -> None:
    (machine.home / "a b").mkdir()
    script = 'pwd; echo "$WORD"; exit 4'
    program = ask_command("~/x", env={"WORD": "it's"}, script=script, cwd=cwd, within_s=1, every_s=1)
    result = await machine.session.observe(program)
    assert result == ProbeResult(False, 4, f"{told.format(home=machine.home)}\nit's\n".encode())


async def test_a_redirect_is_no_success(one_machine: Machine, site: Site) -> None:
    site.answers = [(302, b"200")]
    assert not (await ask(one_machine, site.url)).passed


async def test_a_huge_answer_is_cut(machine: Machine, site: Site) -> None:
    site.answers = [(200, b"ok" + b"x" * 3_000_000 + b"needle")]
    assert (await ask(machine, site.url, "ok")).passed
    assert not (await ask(machine, site.url, "needle")).passed


async def test_nobody_listening_fails_with_words(machine: Machine) -> None:
    result = await ask(machine, "http://127.0.0.1:1/")
    assert not result.passed
    assert result.last.startswith(b"HTTP status 000\n")
    assert len(result.last) > 20


@pytest.mark.parametrize("url", ["-o/tmp/x", "file:///etc/passwd", "ftp://x"])
async def test_only_web_addresses_are_asked(one_machine: Machine, url: str) -> None:
    with pytest.raises(RemoteError, match="not an http or https URL"):
        await ask(one_machine, url)


async def test_without_curl_wget_asks(site: Site, one_machine: Machine, tmp_path: pytest.TempPathFactory) -> None:
    if shutil.which("wget") is None:
        pytest.skip("wget is not installed")
    folder = one_machine.home / "bin"
    folder.mkdir()
    for tool in ("sh", "wget", "date", "head", "cat", "tail", "sleep", "timeout"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    one_machine.session._env["PATH"] = str(folder)
    assert (await ask(one_machine, site.url, "ok")).passed
    site.answers = [(404, b"")]
    assert not (await ask(one_machine, site.url)).passed
    (folder / "wget").unlink()
    with pytest.raises(RemoteError, match="neither curl nor wget"):
        await ask(one_machine, site.url)


async def command(machine: Machine, text: str, within_s: float = 1) -> ProbeResult:
    return await machine.session.act(
        probe_command(
            "~/.octo-ssh",
            run="run-1",
            env={"WORD": "it's"},
            script=text,
            cwd=str(machine.home),
            within_s=within_s,
            every_s=1,
        )
    )


async def test_a_command_passes_when_it_returns_0(machine: Machine) -> None:
    assert await command(machine, 'echo "$WORD"') == ProbeResult(True, 0, b"it's\n")


async def test_a_command_is_tried_again(machine: Machine) -> None:
    result = await command(machine, "echo x >>tries; [ $(wc -l <tries) -eq 3 ]", within_s=30)
    assert result.passed
    assert (machine.home / "tries").read_text() == "x\nx\nx\n"


async def test_a_command_that_stays_unwell_tells_its_status_and_last_words(machine: Machine) -> None:
    assert await command(machine, "echo no; echo why >&2; exit 5") == ProbeResult(False, 5, b"no\nwhy\n")


async def test_a_command_that_hangs_is_ended_when_time_is_over(machine: Machine) -> None:
    mark = f"33.{time.monotonic_ns()}"
    result = await command(machine, f"echo before; sleep {mark}; echo after")
    assert result == ProbeResult(False, None, b"before\n")
    assert alive(mark) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_deadline_that_is_ended_at_once_leaves_no_sleep_behind(shell: str, tools: dict[str, str]) -> None:
    """Signals get lost in processes that are just being made: what is started must end by itself."""
    if shell not in tools:
        pytest.skip(f"{shell} is not installed")
    clock = Path(remote.__file__).with_name("clock.sh").read_text()
    mark = f"OCTO_TEST={secrets.token_hex(8)}"
    script = f"""{clock}
        read_clock() {{ o_second=0; }}
        o_until=4321 o_n=0
        while [ $o_n -lt 150 ]; do
            o_n=$((o_n + 1))
            watch_clock 1 2
            kill "$o_clock"
            wait "$o_clock"
        done
        true
    """
    program = Path(tools[shell].partition(":")[0]) / "sh"
    env = {"PATH": tools[shell], "OCTO_TEST": mark.partition("=")[2]}
    subprocess.run([program, "-c", script], env=env, capture_output=True, check=True)
    assert [words for words in left(mark) if words != ["sleep", "1"]] == []


def left(mark: str) -> Iterator[list[str]]:
    """The words of every process that carries the mark and was not in the middle of being made."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().decode(errors="replace").split("\0"):
                words = (folder / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
                if words[0] == "sleep":
                    yield words


async def test_a_cancelled_probe_leaves_nothing(machine: Machine) -> None:
    mark = f"34.{time.monotonic_ns()}"
    task = asyncio.create_task(command(machine, f"touch up; sleep {mark}; echo", within_s=60))
    await wait_for(machine.home / "up")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive(mark) == []

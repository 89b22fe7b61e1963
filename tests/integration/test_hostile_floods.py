"""Targets that send without end, or more than there can be: it is told, soon, and takes little of the controller."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.remote.job import FAREWELL
from tests.conftest import MakeSshd
from tests.integration.hostile import liar_config, lie_to
from tests.integration.onlooker import PROGRAMS
from tests.integration.sshd import Sshd
from tests.integration.transport import known_hosts

REPOSITORY = Path(__file__).parents[2]
UP = "NONCE up\n"
LINE = "\x1b[31msomething that goes on and on\x07\xff\n"


@pytest.fixture
def liar(make_sshd: MakeSshd, tmp_path: Path) -> Sshd:
    return make_sshd("web", extra=liar_config(tmp_path / "web"))


def look(liar: Sshd, tmp_path: Path, program: str, *, timeout_s: float = 60.0) -> tuple[str, int]:
    """What came of a program on it, and the most memory that took, in kB."""
    given = {
        "port": liar.port,
        "key": str(liar.client_key),
        "known_hosts": str(known_hosts(tmp_path, liar)),
        "program": program,
        "timeout_s": timeout_s,
    }
    told = subprocess.run(
        [sys.executable, "-m", "tests.integration.onlooker"],
        input=json.dumps(given),
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found["said"], found["peak_kb"]


FLOODS: dict[str, tuple[str, dict[str, Any], str]] = {
    "before it is up": ("observe", {"say": LINE}, "TargetTimeout: web-1: the shell did not answer within 2 s"),
    "in a section": ("observe", {"say": f"{UP}NONCE baseline\n", "again": LINE}, "the reply is larger than"),
    "in a section that nobody knows": ("observe", {"say": f"{UP}NONCE odd\n", "again": LINE}, "the reply is larger"),
    "a marker without end": ("observe", {"say": f"{UP}NONCE ", "again": "x"}, "a marker in the reply has no end"),
    "sections": ("observe", {"say": f"{UP}NONCE a\n", "again": "NONCE a\n"}, "the reply is larger than"),
    "up": ("observe", {"say": UP, "again": UP}, "not a marker of a reply"),
    "between markers": ("observe", {"say": UP, "again": LINE}, "was not done within"),
    "standard error": ("observe", {"first": UP, "say": LINE, "to": 2}, "was not done within"),
    "standard error, before it is up": ("observe", {"say": LINE, "to": 2}, "the shell did not answer within"),
    "behind its end": ("observe", {"say": f"{UP}NONCE end 0\n", "again": LINE}, "makes no sense"),
    "behind its end, on standard error": (
        "observe",
        {"first": f"{UP}NONCE end 0\n", "say": LINE, "to": 2},
        "makes no sense",
    ),
    "a listing": ("drift", {"say": f"{UP}NONCE entries\n", "again": LINE}, "the reply is larger than"),
    "output": ("launch", {"say": f"{UP}NONCE output\n", "again": LINE}, "was not done within"),
    "a file": ("fetch", {"say": f"{UP}NONCE size\n9NONCE output\n", "again": LINE}, "was not done within"),
}


@pytest.mark.parametrize(("program", "lie", "words"), FLOODS.values(), ids=FLOODS.keys())
def test_who_sends_without_end_is_not_listened_to(
    liar: Sshd, tmp_path: Path, program: str, lie: dict[str, Any], words: str
) -> None:
    lie_to(liar, None, **{"then": "again", **lie})
    said, peak_kb = look(liar, tmp_path, program, timeout_s=4)
    assert words in said
    assert said.replace("\n", "").isprintable()
    assert peak_kb < 200_000


def sections(**contents: bytes) -> str:
    """A whole reply."""
    told = b"NONCE up\n" + b"".join(f"NONCE {name}\n".encode() + content for name, content in contents.items())
    return (told + b"NONCE end 0\n").decode("latin-1")


PLACE = {
    "releases": b"",
    "place": b"".join(field + b"\0" for field in (b"/srv/shop", b"ours", b"", b"1", b"1.0", b"", b"1 4096 9 9 0 0 0")),
}


def listing(**contents: bytes) -> str:
    """A reply of ``drift`` with a listing in it."""
    return sections(
        **PLACE, **{name: gzip.compress(content, 1) for name, content in contents.items()}, shared=b"", resources=b""
    )


def memory(baseline: bytes) -> str:
    """A reply of ``observe`` with a baseline in it."""
    facts = (b"ada", b"1000", b"/home/ada", b"web", b"1", b"Linux", b"boot", b"/root", b"0", b"1 4096 9 9 0 0 0")
    whose = {"facts": b"".join(field + b"\0" for field in facts), "tools": b"cat", "lease": b"0\0\0\0\0"}
    return sections(**PLACE, shared=b"", **whose, journal=b"", baseline=baseline)


# fmt: off
HUGE: dict[str, tuple[str, Callable[[], str], str]] = {
    "a baseline of lists": ("observe", lambda: memory(b"[" + b"[]," * 10_000_000), "more than 1000000 items"),
    "a deep baseline": ("observe", lambda: memory(b"[" * 30_000_000), "more than 1000000 items"),
    "a less deep baseline": ("observe", lambda: memory(b"[" * 900_000), "nested too deep"),
    "a baseline of wide letters": ("observe", lambda: memory(b'"' + "😀".encode() * 7_000_000), "not ASCII"),
    "a list of nothing": ("observe", lambda: sections(**PLACE, shared=b"", lease=b"\0" * 30_000_000), "instead of 4"),
    "a listing of nothing": ("drift", lambda: listing(entries=b"\0" * 250_000_000, digests=b""), "too large"),
    "a listing of millions": (
        "drift", lambda: listing(entries=b"f 644 1 0:0 \0./a\0" * 4_000_000, digests=b""), "more than 250000 entries"
    ),
    "digests of nothing": ("drift", lambda: listing(entries=b"", digests=b"\n" * 60_000_000), "do not fit"),
    "a manifest of lists": ("drift", lambda: listing(manifest=b'[{"manifest":1}\n' + b"[],\n" * 9_000_000), "files"),
    "a manifest of one line": (
        "drift", lambda: listing(manifest=b'[{"manifest":1}\n' + b"[]," * 20_000_000 + b"\n]\n"), "files"
    ),
}
# fmt: on


@pytest.mark.parametrize(("program", "reply", "words"), HUGE.values(), ids=HUGE.keys())
def test_a_reply_that_would_fill_the_memory_once_it_is_read_is_refused(
    liar: Sshd, tmp_path: Path, program: str, reply: Callable[[], str], words: str
) -> None:
    lie_to(liar, None, say=reply(), then="end")
    said, peak_kb = look(liar, tmp_path, program)
    assert said.startswith("RemoteError: ")
    assert words in said
    assert peak_kb < 300_000


def test_the_programs_are_what_they_are_called() -> None:
    assert PROGRAMS["launch"]().farewell == FAREWELL

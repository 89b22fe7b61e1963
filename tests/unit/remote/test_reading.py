"""Programs that only look: their text opens nothing for writing, and neither do they when they run."""

from __future__ import annotations

import importlib
import inspect as inspecting
import pkgutil
import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest

import octo_ssh.remote
from octo_ssh.model.observed import FileRequest, PlaceRequest
from octo_ssh.model.program import Program, Reading
from octo_ssh.remote.commit import commit
from octo_ssh.remote.drift import DriftAsk, PlaceAsk, drift, drift_as
from octo_ssh.remote.holding import holding
from octo_ssh.remote.inspect import inspect
from octo_ssh.remote.observe import facts, observe, observe_places
from octo_ssh.remote.probe import ask_command, ask_http
from octo_ssh.remote.prune import prune
from octo_ssh.remote.resources import look
from octo_ssh.remote.switch import switch
from octo_ssh.remote.unless import Unless, unless
from octo_ssh.transport.local import LocalSession

from .conftest import Machine
from .releases import LEASE
from .test_build import HOSTILE, deploy

TO = "srv/the shop"
PLACE = PlaceRequest("deploy", TO, ("log",))
FILES = (FileRequest("file", "file", "0" * 64), FileRequest("none", "no/file"))
UNITS = {"unit": "shop"}
ASK = DriftAsk((PlaceAsk("deploy", TO, ("log",)),), FILES, UNITS)
ROOT = "~/.octo-ssh"
TRY: dict[str, Any] = {"env": {"WORD": "x"}, "script": "exit 0", "cwd": None, "within_s": 1, "every_s": 1}
READINGS: dict[str, Callable[[], Reading[Any]]] = {
    "observe": lambda: observe(ROOT, "shop", "staging", (PLACE,)),
    "observe_places": lambda: observe_places("/x", "shop", "staging", (PLACE,)),
    "facts": lambda: facts(ROOT),
    "holding": lambda: holding(ROOT),
    "inspect": lambda: inspect(TO, ("1.0",), hashed=True),
    "look": lambda: look(FILES, UNITS),
    "unless": lambda: unless((Unless("one", {}, "exit 3"), Unless("two", {}, "exit 0"))),
    "drift": lambda: drift(ROOT, "shop", "staging", ASK),
    "drift_as": lambda: drift_as("/x", "shop", "staging", ASK),
    "ask_http": lambda: ask_http("http://127.0.0.1:1/", contains="x", within_s=1, every_s=1),
    "ask_command": lambda: ask_command(ROOT, **TRY),
}
HARMLESS = re.compile(r"&[0-9-]|/dev/null(?![^\s;)}|&])")
WRITERS = (
    "chgrp|chmod|chown|cp|dd|flock|install|ln|logger|mkdir|mkfifo|mknod|mktemp|mv|rm|rmdir|split|sync|tar|tee|touch"
    "|truncate|unlink|patch"
)
COMMAND = re.compile(
    rf"""(?:^|[;&|({{!`'"]|\$\(|\b(?:then|do|else|if|elif|while|until|exec|command|eval|try\s\S+)\s|-exec\s|\bxargs\b[^|]*\s)
    \s*(?:\w+=\S*\s+)*({WRITERS})\s""",
    re.MULTILINE | re.VERBOSE,
)


def writes(text: str) -> list[str]:
    """What in a program's text might write. Quoted text counts as well, but for sentences to people: it may be another
    shell's program.
    """
    joined = re.sub(r"""\bfail ("[^"]*"|'[^']*')""", "fail", text.replace("\\\n", " "))
    found = re.findall(r"<<.*", joined)
    found += [
        joined[match.start() :].partition("\n")[0]
        for match in re.finditer(r"[0-9]*>>?\|?\s*", joined)
        if not HARMLESS.match(joined, match.end())
    ]
    found += [match[1] for match in COMMAND.finditer(joined)]
    found += re.findall(r"\bsed\s+-\w*i.*|\bsort\b.*\s-o\s.*|-(?:delete|fprint\w*|fls)\b.*", joined)
    return found


def test_every_program_that_only_looks_is_here() -> None:
    made = set()
    for module in pkgutil.iter_modules(octo_ssh.remote.__path__):
        for name, value in vars(importlib.import_module(f"octo_ssh.remote.{module.name}")).items():
            if inspecting.isfunction(value) and str(value.__annotations__.get("return", "")).startswith("Reading["):
                made.add(name)
    assert made == READINGS.keys()


@pytest.mark.parametrize("made", READINGS.values(), ids=READINGS.keys())
def test_its_text_opens_nothing_for_writing(made: Callable[[], Reading[Any]]) -> None:
    assert writes(made().body) == []


@pytest.mark.parametrize(
    "text",
    [
        "echo x >file",
        "echo x >> file",
        "x 2>err",
        "cat >|f",
        "cat <<EOF\nx\nEOF",
        "cat <<<x",
        ": >/dev/nullx",
        "{ x; } >&$y",
        "rm -f x",
        "a && mkdir x",
        "if mv a b; then :; fi",
        "$(mktemp -d)",
        "find . -exec touch {} +",
        "find . -delete",
        "a | tee x",
        "LC_ALL=C sort -o x y",
        "try 'x' ln -s a b",
        "sh -c 'for x; do chmod 0 \"$x\"; done'",
        "for x; do\nmv a b",
        "find . -print0 | xargs -0 rm -f",
        "sed -i s/a/b/ x",
    ],
)
def test_what_writes_is_seen(text: str) -> None:
    assert writes(text)


@pytest.mark.parametrize(
    "made",
    [
        lambda: commit("/x", "1", "0" * 64),
        lambda: switch("/x", "1", **LEASE),
        lambda: prune("/x", keep=()),
    ],
)
def test_programs_that_act_do_not_pass_for_such(made: Callable[[], Any]) -> None:
    assert writes(made().body)


CALLS = (
    "open,openat,openat2,creat,truncate,ftruncate,mkdir,mkdirat,mknod,mknodat,rmdir,unlink,unlinkat,rename,renameat,"
    "renameat2,link,linkat,symlink,symlinkat,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,utimensat,futimesat,"
    "utime,utimes,setxattr,fsetxattr,lsetxattr"
)
LOOKS = re.compile(r"^[0-9]+ +open(at|at2)?\((?!.*O_(WRONLY|RDWR|CREAT|TRUNC))")
NOWHERE = re.compile(r'"/dev/(null|tty|fd/[0-9])"')


async def traced(machine: Machine, program: Program[Any]) -> list[str]:
    """The calls by which a program, or a child of it, wrote to a disk or opened something for that."""
    tracer = shutil.which("strace")
    if tracer is None:
        pytest.skip("strace is not installed")
    trace = machine.home.parent / "trace"
    shell = shutil.which("sh", path=machine.path) or ""
    options = ("-f", "-qq", "-z", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(trace))
    env = {"PATH": machine.path, "LANG": "C.UTF-8", "TMPDIR": str(machine.home)}
    session = LocalSession("traced", shell=(tracer, *options, shell, "-s"), home=str(machine.home), env=env)
    await session._run(program, sudo=None, timeout_s=60)
    calls = [line for line in trace.read_text("utf-8", "replace").splitlines() if " resumed>" not in line]
    return [line for line in calls if not LOOKS.search(line) and not NOWHERE.search(line)]


@pytest.mark.parametrize("made", READINGS.values(), ids=READINGS.keys())
async def test_it_opens_nothing_for_writing_when_it_runs(machine: Machine, made: Callable[[], Reading[Any]]) -> None:
    await deploy(machine, "1.0", HOSTILE)
    (machine.home / "file").write_bytes(b"x")
    await machine.session.act(switch(str(machine.to), "1.0", **LEASE))
    assert await traced(machine, made()) == []


async def test_what_acts_is_seen_to(machine: Machine) -> None:
    await deploy(machine, "1.0", HOSTILE)
    assert any("symlink" in line for line in await traced(machine, switch(TO, "1.0", **LEASE)))


async def test_a_long_listing_is_not_sorted_on_disk(one_machine: Machine) -> None:
    await deploy(one_machine, "1.0", HOSTILE)
    await one_machine.session.act(switch(str(one_machine.to), "1.0", **LEASE))
    for number in range(25_000):
        (one_machine.to / f"releases/1.0/{number}-{'x' * 240}").touch()
    assert await traced(one_machine, READINGS["observe"]()) == []

"""Replies that lie: every parser answers with an error of the target, and none crashes."""

from __future__ import annotations

import gzip
import importlib
import inspect as inspecting
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import octo_ssh.remote
from octo_ssh.errors import LeaseLost, RemoteError
from octo_ssh.model.jobs import Hangup, JobKey, JobPlace
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.observed import FileRequest, Lease, PackagePlace, Place, PlaceRequest, Tree
from octo_ssh.model.plan import ServiceState
from octo_ssh.model.program import Program, Reply
from octo_ssh.model.timers import Verdict
from octo_ssh.packages.bundle import Bundle, Compression
from octo_ssh.packages.delta import Difference
from octo_ssh.remote.arm import Arming, arm
from octo_ssh.remote.build import build
from octo_ssh.remote.commit import commit, discard
from octo_ssh.remote.confirm import confirm, disarm
from octo_ssh.remote.drift import DriftAsk, PlaceAsk, drift, drift_as
from octo_ssh.remote.fetch import fetch
from octo_ssh.remote.file import put_file, remove_file
from octo_ssh.remote.grant import grant
from octo_ssh.remote.holding import holding
from octo_ssh.remote.inspect import inspect
from octo_ssh.remote.job import attach, launch, stop
from octo_ssh.remote.lock import acquire, free, release, renew
from octo_ssh.remote.observe import facts, observe, observe_places
from octo_ssh.remote.places import parse_place
from octo_ssh.remote.probe import ask_command, ask_http, probe_command, probe_http
from octo_ssh.remote.prune import prune
from octo_ssh.remote.receive import receive
from octo_ssh.remote.record import record
from octo_ssh.remote.replies import unpacked
from octo_ssh.remote.resources import MAX_CONTENT_BYTES, look
from octo_ssh.remote.script import script
from octo_ssh.remote.service import service
from octo_ssh.remote.switch import switch
from octo_ssh.remote.trees import parse_tree
from octo_ssh.remote.unless import Unless, unless
from octo_ssh.remote.words import name, two_texts

PLACE = PlaceRequest("deploy", "/srv/shop", ("a", "b"))
WATCHED = DriftAsk((PlaceAsk("deploy", "/srv/shop", ("a", "b")),), (FileRequest("one", "/x"),), {"two": "shop"})
HELD = Lease(1, "t", 60, "boot", 1.0, "{}")
JOB = JobPlace("/x", "r", "one.run.0", "1" * 32)
LEASE: dict[str, Any] = {"epoch": 1, "token": "t"}
OF: dict[str, Any] = {"project": "p", "environment": None}
NOTHING: dict[str, Any] = {"head": "", "lines": (), "baseline": None}
TRY: dict[str, Any] = {"env": {}, "script": "", "cwd": None, "within_s": 1, "every_s": 1}
START: dict[str, Any] = {"env": {}, "script": "", "cwd": None, "timeout_s": 1, "limit_bytes": 9, "hangup": Hangup.LEAVE}
FILE: dict[str, Any] = {"owner": None, "group": None, "parents": False, "expect": None, "mode": None, "new_mode": 0o644}
NONE = Difference((), (), (), (), ())
ARMING = Arming("timer", "r", "2", "1", "now", 60.0, 600.0, "")
BUNDLE = Bundle(Path("/x"), "0" * 64, 1, Compression.GZIP)
PROGRAMS: dict[str, Callable[[], Program[Any]]] = {
    "observe": lambda: observe("~/x", "p", None, (PLACE,)),
    "observe_places": lambda: observe_places("/x", "p", None, (PLACE,)),
    "drift": lambda: drift("~/x", "p", None, WATCHED),
    "drift_as": lambda: drift_as("/x", "p", None, WATCHED),
    "look": lambda: look(WATCHED.files, WATCHED.services),
    "facts": lambda: facts("~/x"),
    "holding": lambda: holding("~/x"),
    "inspect": lambda: inspect("/x", ("1",), hashed=True),
    "unless": lambda: unless((Unless("one", {}, "exit 3"),)),
    "acquire": lambda: acquire(
        "~/x", **OF, run="r", token="t", ttl_s=1, who="w", expect_head="", lines=(), baseline=None
    ),
    "renew": lambda: renew("/x", **LEASE, ttl_s=1),
    "record": lambda: record("/x", **LEASE, **OF, **NOTHING),
    "release": lambda: release("/x", **LEASE, **OF, **NOTHING),
    "free": lambda: free("~/x", HELD),
    "receive": lambda: receive("~/x", "0" * 64, "/x", 1, **LEASE),
    "build": lambda: build(
        "/x", "/y", "1", **OF, base=None, manifest=Manifest(), difference=NONE, bundle=BUNDLE, **LEASE
    ),
    "commit": lambda: commit("/x", "1", "0" * 64),
    "discard": lambda: discard("/x"),
    "grant": lambda: grant("/x", **LEASE),
    "switch": lambda: switch("/x", "1", **LEASE),
    "prune": lambda: prune("/x", keep=()),
    "arm": lambda: arm("/x", ARMING, (), **LEASE),
    "confirm": lambda: confirm("/x", "timer", Verdict.CONFIRMED, patience_s=1),
    "disarm": lambda: disarm("/x"),
    "launch": lambda: launch(JOB, key=JobKey("one", "run", "0" * 64), **START),
    "attach": lambda: attach(JOB, offset=0, take_void=True),
    "stop": lambda: stop(JOB),
    "script": lambda: script(env={}, script=""),
    "fetch": lambda: fetch("x", cwd=None, max_bytes=9),
    "probe_command": lambda: probe_command("~/x", run="r", **TRY),
    "ask_command": lambda: ask_command("~/x", **TRY),
    "probe_http": lambda: probe_http("http://x", contains=None, within_s=1, every_s=1),
    "ask_http": lambda: ask_http("http://x", contains=None, within_s=1, every_s=1),
    "put_file": lambda: put_file("/x", content=b"", size=0, sha256="0" * 64, **FILE),
    "remove_file": lambda: remove_file("/x", expect=None),
    "service": lambda: service("shop", state=ServiceState.RUNNING, enabled=None, restart=False),
}
"""Every program there is."""
# fmt: off
SECTIONS = [
    "facts", "tools", "lease", "journal", "baseline", "releases", "sums", "place", "shared", "folder", "manifest",
    "entries", "stats", "paths", "links", "closed", "acquired", "moved", "fingerprint", "removed", "exit-0", "exit-x",
    "exit-999", "last", "reason", "cancelled", "survivors", "linger", "problem", "have", "lost", "root", "head", "jobs",
    "digests", "shut", "owner", "strangers", "resources", "file", "content", "units", "unit-files", "timers", "size",
    "exit-1.late.full.dropped-9", "exit-1.dropped-", "void", "freed", "unwritten", "current", "bundle", "at", "wrong",
]
# fmt: on
FIELDS = [
    b"",
    b"1",
    b"-1",
    b"\xff",
    b"a:b:c:d:e",
    b"t:1:b:1.5:",
    b"ours",
    b"9" * 30,
    b"../x",
    b"armed",
    b"\n",
    b"run/1/2/3/one/run/" + b"0" * 64 + b"/" + b"1" * 32,
]  # fmt: skip
CONTENT = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=40).map(gzip.compress),
    st.lists(st.sampled_from(FIELDS), max_size=12).map(lambda parts: b"".join(part + b"\0" for part in parts)),
    st.lists(st.sampled_from(FIELDS), max_size=12).map(lambda parts: gzip.compress(b"\0".join(parts))),
)


def test_every_program_there_is_is_lied_to() -> None:
    made = set()
    for module in pkgutil.iter_modules(octo_ssh.remote.__path__):
        for word, value in vars(importlib.import_module(f"octo_ssh.remote.{module.name}")).items():
            returns = str(getattr(value, "__annotations__", {}).get("return", ""))
            if inspecting.isfunction(value) and returns.startswith(("Reading[", "Acting[")) and word[0] != "_":
                made.add(word)
    assert made == PROGRAMS.keys()


@pytest.mark.parametrize("made", PROGRAMS.values(), ids=PROGRAMS.keys())
@given(
    status=st.sampled_from([0, 0, 0, 1]),
    sections=st.lists(st.tuples(st.sampled_from(SECTIONS), CONTENT), max_size=12),
)
def test_a_lie_is_an_error_and_no_crash(
    made: Callable[[], Program[Any]], status: int, sections: list[tuple[str, bytes]]
) -> None:
    try:
        made().parse(Reply(status, tuple(sections)))
    except (ValueError, RemoteError, LeaseLost):
        return
    assert status == 0


def tree(**sections: bytes) -> dict[str, bytes]:
    packed = {name: gzip.compress(content) for name, content in sections.items()}
    return {"digests": gzip.compress(b""), "closed": gzip.compress(b""), **packed}


def test_a_bomb_is_cut() -> None:
    bomb = gzip.compress(b"\0" * 400_000_000, 1)
    with pytest.raises(ValueError, match="too large"):
        parse_tree({"entries": bomb, "digests": b"", "closed": b""})


@pytest.mark.parametrize(
    "sections",
    [
        {"entries": b"f 644 1 0:0 \0./a\0" * 250_001},
        {"entries": b"\0" * 1_000_000},
        {"entries": b"f 644 -1 0:0 \0./a\0"},
        {"entries": b"f -644 1 0:0 \0./a\0"},
        {"entries": b"f 644 1_0 0:0 \0./a\0"},
        {"paths": b"./a\0" * 250_001, "stats": b"", "links": b""},
        {"paths": b"", "stats": b"\n" * 1000, "links": b""},
        {"paths": b"", "stats": b"", "links": b"\0" * 250_001},
        {"paths": b"", "stats": b"", "links": b"", "closed": b"./a\0" * 250_001},
        {"entries": b"", "digests": b"\n" * 1000},
    ],
    ids=range(10),
)
def test_a_listing_without_end_or_sense_is_refused_before_it_is_taken_apart(sections: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=r"the listing|not a number|the digests"):
        parse_tree(tree(**sections))


def test_a_listing_may_be_twice_as_long_as_it_should() -> None:
    listing = b"".join(b"d 755 1 0:0 \0./%d\0" % number for number in range(300_000))
    with pytest.raises(ValueError, match="more than 250000 entries"):
        parse_tree(tree(entries=listing))
    assert len(parse_tree(tree(entries=listing), known=150_000).entries) == 300_000


def test_folders_that_cannot_be_ours_are_no_releases() -> None:
    def told(current: str, *names: str) -> PackagePlace:
        fields = ("/srv/shop", "ours", "", "1", current, "", "1 4096 9 9 0 0 0")
        sections = {
            "releases": b"".join(name.encode() + b"\0" for name in names),
            "sums": b"".join(b"1" * 64 + b"  x\n" for _ in names),
            "place": b"".join(field.encode() + b"\0" for field in fields),
        }
        return parse_place(sections, ())

    found = told("1.0", "1.0", "-rf", ".hidden", "a\nb", "$(id)", "a b")
    assert [one.name for one in found.releases] == ["1.0", "$(id)", "a b"]
    assert (found.place, found.current) == (Place.OURS, "1.0")
    for odd in ("-rf", "a\nb", "..", "x" * 300):
        assert (told(odd).place, told(odd).current) == (Place.FOREIGN, None)


@pytest.mark.parametrize("path", [b"/etc/passwd", b"./../x", b"./a/../b", b"./a//b", b"x", b"./"])
def test_a_path_that_leads_out_is_refused(path: bytes) -> None:
    with pytest.raises(ValueError, match="not a path inside"):
        parse_tree(tree(entries=b"d 755 1 0:0 \0" + path + b"\0"))


def test_unreadable_files_are_known_to_be_there() -> None:
    digest = b"1" * 64
    found = parse_tree(
        tree(
            entries=b"f 644 1 0:0 \0./a\0f 600 2 0:0 \0./b\nc\0f 644 3 7:8 \0./d\0x 700 4 0:0 \0./e\0",
            digests=digest + b"  ./a\n" + digest + b"  ./d\n",
        ),
        owners=True,
    )
    assert found.unreadable == {"b\nc", "e"}
    assert found.owners == {"a": "0:0", "b\nc": "0:0", "d": "7:8", "e": "0:0"}
    assert found.entries["b\nc"] == Entry("b\nc", Kind.FILE, 0o600, 2)
    assert found.entries["d"].sha256 == digest.decode()


@pytest.mark.parametrize(
    "digests",
    [
        b"1" * 64 + b"  /other\n",
        b"1" * 64 + b"  ./a\n" + b"1" * 64 + b"  ./a\n",
        b"1" * 64 + b"  ./b",
        b"nonsense",
        b"\n",
    ],
)
def test_digests_that_do_not_fit_are_refused(digests: bytes) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        parse_tree(tree(entries=b"f 644 1 0:0 \0./a\0", digests=digests))


@pytest.mark.parametrize("owner", [b"", b"root:root", b"0", b"-1:0", b"0:0:0"])
def test_an_owner_that_is_no_pair_of_numbers_is_refused(owner: bytes) -> None:
    with pytest.raises(ValueError, match="user and group numbers"):
        parse_tree(tree(entries=b"f 644 1 " + owner + b" \0./a\0"))


NEW = b"1" * 64 + b"  ./new\n"
ODD_NEW = b"\\" + b"1" * 64 + b"  ./new\\nline\n"


@pytest.mark.parametrize("before", [b"", NEW, ODD_NEW, NEW + ODD_NEW])
@pytest.mark.parametrize("after", [b"", NEW, ODD_NEW])
def test_files_made_since_the_listing_are_passed_over(before: bytes, after: bytes) -> None:
    digests = before + b"2" * 64 + b"  ./a\n" + after + b"3" * 64 + b"  ./b\nc\n" + after
    found = parse_tree(
        tree(entries=b"f 644 1 0:0 \0./a\0f 644 1 0:0 \0./gone\0f 644 1 0:0 \0./b\nc\0", digests=digests)
    )
    assert {path: entry.sha256[:1] for path, entry in found.entries.items()} == {"a": "2", "gone": "", "b\nc": "3"}
    assert found.unreadable == {"gone"}


def test_the_folder_itself_is_no_entry_and_is_unknown_where_it_is_closed() -> None:
    listed = b"x 700 4 5:6 \0.\0"
    assert parse_tree(tree(entries=listed)) == Tree({}, frozenset((".",)))
    opened = parse_tree(tree(entries=listed.replace(b"x", b"d")), owners=True)
    assert opened == Tree({}, owners={".": "5:6"}, mode=0o700)
    stats = tree(paths=b".\0./a\0", stats=b"41c0 5 5:6\n81a4 1 0:0\n", links=b"", closed=b".\0")
    assert parse_tree(stats, owners=True).owners == {".": "5:6", "a": "0:0"}
    assert parse_tree(stats).unreadable == {".", "a"}


@pytest.mark.parametrize("letter", [b"c", b"b", b"p", b"s", b"D"])
def test_a_device_a_pipe_or_a_socket_is_no_folder_that_may_not_be_read(letter: bytes) -> None:
    found = parse_tree(tree(entries=letter + b" 644 0 0:0 \0./a\0"))
    assert (found.entries["a"].kind, found.unreadable) == (Kind.OTHER, frozenset())


@pytest.mark.parametrize("text", ["", ".", "..", ".hidden", "-x", "a/b", "a\nb", "x" * 300])
def test_what_cannot_be_a_folder_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        name(text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_two_texts_are_divided_by_what_neither_holds(one: str, two: str) -> None:
    if "\0" in one + two:
        with pytest.raises(ValueError, match="NUL"):
            two_texts(one, two)
        return
    content, size, divider = two_texts(one, two)
    assert isinstance(content, bytes)
    assert len(content) == size
    assert content.decode("utf-8", "surrogateescape").split(divider) == [one, two, ""]


def test_no_more_is_unpacked_than_was_asked_for() -> None:
    assert unpacked(gzip.compress(b"x" * 100), 100) == b"x" * 100
    with pytest.raises(ValueError, match="too large"):
        unpacked(gzip.compress(b"x" * 101), 100)
    bomb = gzip.compress(bytes(MAX_CONTENT_BYTES + 1))
    file = "\0".join(("/x", "file", "0", "81a4:0:0:1:root:root", "0" * 64, "")).encode()
    reply = Reply(0, (("file", file), ("content", bomb)))
    with pytest.raises(ValueError, match="too large"):
        look((FileRequest("one", "/x", "1" * 64),), {}).parse(reply)

"""Replies that lie: every parser answers with an error of the target, and none crashes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.errors import RemoteError
from octo_ssh.model.manifest import Entry, Kind
from octo_ssh.model.observed import FileRequest, PlaceRequest, Tree
from octo_ssh.model.program import Program, Reply
from octo_ssh.remote.commit import commit
from octo_ssh.remote.drift import DriftAsk, PlaceAsk, drift, drift_as
from octo_ssh.remote.inspect import inspect
from octo_ssh.remote.lock import acquire, free
from octo_ssh.remote.observe import facts, observe, observe_places
from octo_ssh.remote.probe import probe_command, probe_http
from octo_ssh.remote.prune import prune
from octo_ssh.remote.receive import receive
from octo_ssh.remote.replies import unpacked
from octo_ssh.remote.resources import MAX_CONTENT_BYTES, look
from octo_ssh.remote.script import script
from octo_ssh.remote.switch import switch
from octo_ssh.remote.trees import parse_tree
from octo_ssh.remote.words import name, two_texts

PLACE = PlaceRequest("deploy", "/srv/shop", ("a", "b"))
WATCHED = DriftAsk((PlaceAsk("deploy", "/srv/shop", ("a", "b")),), (FileRequest("one", "/x"),), {"two": "shop"})
PROGRAMS: dict[str, Callable[[], Program[Any]]] = {
    "observe": lambda: observe("~/x", "p", None, (PLACE,)),
    "observe_places": lambda: observe_places("/x", "p", None, (PLACE,)),
    "drift": lambda: drift("~/x", "p", None, WATCHED),
    "drift_as": lambda: drift_as("/x", "p", None, WATCHED),
    "look": lambda: look(WATCHED.files, WATCHED.services),
    "facts": lambda: facts("~/x"),
    "inspect": lambda: inspect("/x", ("1",), hashed=True),
    "acquire": lambda: acquire(
        "~/x",
        project="p",
        environment=None,
        run="r",
        token="t",
        ttl_s=1,
        who="w",
        expect_head="",
        lines=(),
        baseline=None,
    ),
    "free": lambda: free("~/x"),
    "receive": lambda: receive("~/x", "0" * 64, "/x", 1),
    "commit": lambda: commit("/x", "1"),
    "switch": lambda: switch("/x", "1"),
    "prune": lambda: prune("/x", keep=()),
    "script": lambda: script("~/x", run="r", env={}, script="", cwd=None),
    "probe_command": lambda: probe_command("~/x", run="r", env={}, script="", cwd=None, within_s=1, every_s=1),
    "probe_http": lambda: probe_http("http://x", contains=None, within_s=1, every_s=1),
}
# fmt: off
SECTIONS = [
    "facts", "tools", "lease", "journal", "baseline", "releases", "sums", "place", "shared", "folder", "manifest",
    "entries", "stats", "paths", "links", "closed", "acquired", "moved", "fingerprint", "removed", "exit-0", "exit-x",
    "exit-999", "last", "reason", "cancelled", "survivors", "linger", "problem", "have",
    "digests", "shut", "owner", "strangers", "resources", "file", "content", "units", "unit-files",
]
# fmt: on
CONTENT = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=40).map(gzip.compress),
    st.lists(st.sampled_from([b"", b"1", b"-1", b"\xff", b"a:b:c:d:e", b"t:1:b:1.5:", b"ours", b"9" * 30])).map(
        lambda parts: b"".join(part + b"\0" for part in parts)
    ),
)


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
    except (ValueError, RemoteError):
        return
    assert status == 0


def tree(**sections: bytes) -> dict[str, bytes]:
    packed = {name: gzip.compress(content) for name, content in sections.items()}
    return {"digests": gzip.compress(b""), "closed": gzip.compress(b""), **packed}


def test_a_bomb_is_cut() -> None:
    bomb = gzip.compress(b"\0" * 400_000_000, 1)
    with pytest.raises(ValueError, match="too large"):
        parse_tree({"entries": bomb, "digests": b"", "closed": b""})


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

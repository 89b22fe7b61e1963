"""The target's memory: what is written can be read, and damage is never taken for emptiness."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.errors import RemoteError
from octo_ssh.model.memory import baseline_text, journal_line, line_sha256, parse_baseline
from octo_ssh.model.observed import (
    Baseline,
    Done,
    FileBaseline,
    Owed,
    PackageBaseline,
    ServiceBaseline,
    StepOutputs,
)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
FOLDER = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,9}", fullmatch=True)
DIGEST = st.just("") | st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
OUTPUT = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_.: -]{0,5}[A-Za-z0-9])?", fullmatch=True)
BASELINES = st.builds(
    Baseline,
    release=st.none() | TEXT,
    packages=st.dictionaries(
        TEXT,
        st.builds(PackageBaseline, TEXT, FOLDER, DIGEST, DIGEST, st.lists(FOLDER, max_size=3).map(tuple)),
        max_size=3,
    ),
    done=st.dictionaries(TEXT, st.builds(Done, TEXT, TEXT, TEXT, st.booleans()), max_size=3),
    failed_checks=st.frozensets(TEXT, max_size=3),
    passed_checks=st.frozensets(TEXT, max_size=3),
    owed=st.lists(st.builds(Owed, TEXT, TEXT, TEXT, TEXT, st.none() | TEXT), max_size=3).map(tuple),
    due=st.dictionaries(TEXT, st.lists(TEXT, max_size=3).map(tuple), max_size=3),
    files=st.dictionaries(
        TEXT,
        st.builds(FileBaseline, TEXT, st.booleans(), DIGEST, st.integers(0, 0o7777), *[TEXT] * 3, st.booleans()),
        max_size=2,
    ),
    services=st.dictionaries(TEXT, st.builds(ServiceBaseline, *[TEXT] * 5), max_size=2),
    outputs=st.dictionaries(
        TEXT,
        st.builds(StepOutputs, st.dictionaries(OUTPUT, TEXT, max_size=2), st.frozensets(OUTPUT), TEXT),
        max_size=2,
    ),
    held=st.frozensets(TEXT, max_size=3),
)


@given(BASELINES)
def test_a_baseline_comes_back_as_it_was(baseline: Baseline) -> None:
    text = baseline_text(baseline)
    assert parse_baseline(text, "/x.json") == baseline
    assert b"\n" not in text
    assert text.isascii()


@given(BASELINES, st.data())
def test_a_damaged_baseline_is_an_error(baseline: Baseline, data: st.DataObject) -> None:
    text = baseline_text(baseline)
    with pytest.raises(RemoteError, match="damaged"):
        parse_baseline(text[: data.draw(st.integers(0, len(text) - 1))], "/x.json")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"format":"1"}',
        b"[" * 100_000,
        b'{"format":1,"release":1}',
        baseline_text(Baseline()).replace(b'"due":{}', b'"due":[]'),
        baseline_text(Baseline()).replace(b'"owed":[]', b'"owed":[{}]'),
        baseline_text(Baseline()).replace(b'"passed_checks":[]', b'"passed_checks":"ab"'),
    ],
)
def test_what_is_no_baseline_is_an_error(text: bytes) -> None:
    with pytest.raises(RemoteError, match="damaged"):
        parse_baseline(text, "/x.json")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "it is no JSON (line 1, column 1)"),
        (b'{"format":1', "it is no JSON (line 1, column 12)"),
        (b"\xff", "it is not ASCII"),
        (b'{"format":1}', "'release' is missing"),
        (b'{"format":3.5}', "unknown format 3.5"),
        (b"[]", "it holds other things than it should"),
    ],
)
def test_what_is_damaged_says_where_it_is_what_is_the_matter_and_what_to_do(text: bytes, why: str) -> None:
    path = "/home/deploy/.octo-ssh/state/shop/default.json"
    with pytest.raises(RemoteError) as caught:
        parse_baseline(text, path)
    assert caught.value.message == f"{path} on the target is damaged: {why}"
    assert "or move it away: then nothing counts as done here" in caught.value.hint


def lying(**changes: object) -> bytes:
    """A baseline of ours with something else in it."""
    data = json.loads(baseline_text(Baseline(packages={"shop": PackageBaseline("/srv/shop", "1.0", "", "")})))
    package = data["packages"]["shop"]
    package |= {key: value for key, value in changes.items() if key in package}
    return json.dumps(data | {key: value for key, value in changes.items() if key in data}).encode()


@pytest.mark.parametrize(
    "text",
    [
        lying(folder="../../etc"),
        lying(folder="-rf"),
        lying(folder="a\nb"),
        lying(history=["1.0", "/"]),
        lying(manifest="1"),
        lying(fingerprint="$(id)"),
        lying(to="/srv\0"),
        lying(release="\ud800"),
        lying(outputs={"make": {"values": {"A b\n": "x"}, "secret": [], "release": ""}}),
        lying(outputs={"make": {"values": {"A": "x\0"}, "secret": [], "release": ""}}),
        lying(outputs={"make": {"values": {"A": "x" * 40_000}, "secret": [], "release": ""}}),
        lying(outputs={"make": {"values": {}, "secret": ["$(id)"], "release": ""}}),
        lying(files={"f": {"path": "/x", "present": True, "sha256": "", "mode": -1, "owner": "", "group": ""}}),
    ],
)
def test_a_baseline_that_no_octo_ssh_wrote_is_an_error(text: bytes) -> None:
    assert parse_baseline(lying(), "state").packages["shop"].folder == "1.0"
    with pytest.raises(RemoteError, match="damaged"):
        parse_baseline(text, "state")


@pytest.mark.parametrize("item", [b"[],", b"{},", b'"",', b"0,", b'{"":[]},'])
def test_a_baseline_of_millions_of_things_is_not_taken_apart(item: bytes) -> None:
    with pytest.raises(RemoteError, match="more than 1000000 items"):
        parse_baseline(b'{"format":1,"x":[' + item * 1_100_000 + b"0]}", "state")


def test_what_a_text_holds_is_no_item() -> None:
    said = StepOutputs({f"N{number}": '[{",\\' * 6000 for number in range(50)})
    baseline = Baseline(outputs={"make": said})
    assert parse_baseline(baseline_text(baseline), "state") == baseline


def test_a_newer_format_names_the_way_out() -> None:
    with pytest.raises(RemoteError, match="written by a newer octo-ssh"):
        parse_baseline(b'{"format":2}', "/x.json")


def test_journal_lines_are_chained() -> None:
    first = journal_line("", {"what": "ä\n"})
    second = journal_line(line_sha256(first), {"what": "b"})
    assert b"\n" not in first + second
    assert json.loads(first) == {"v": 1, "prev": "", "what": "ä\n"}
    assert json.loads(second)["prev"] == line_sha256(first + b"\n")


def test_a_unit_of_an_older_baseline_is_looked_at_by_the_login() -> None:
    text = json.loads(baseline_text(Baseline(services={"web": ServiceBaseline("shop", "active", user="root")})))
    del text["services"]["web"]["user"], text["services"]["web"]["unit_sha256"]
    assert parse_baseline(json.dumps(text).encode(), "/x.json").services == {"web": ServiceBaseline("shop", "active")}

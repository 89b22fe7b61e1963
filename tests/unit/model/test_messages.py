"""Messages in a script's output: what is understood, what stays text, what is never shown, however it is cut."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.model import message_stream
from octo_ssh.model.events import Level
from octo_ssh.model.message_stream import MAX_MESSAGE_BYTES
from octo_ssh.model.messages import (
    MAX_ARTIFACTS,
    MAX_OUTPUT_BYTES,
    MAX_OUTPUTS,
    MAX_SECRETS,
    MAX_VALUE_BYTES,
    Artifact,
    Failure,
    Hide,
    Item,
    LevelChanged,
    MessageReader,
    Progress,
    SetOutput,
    sentence,
)
from octo_ssh.model.values import Secret

HIDDEN = b"octo-ssh: a message that could not be read is not shown: it may hold a secret\n"


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def message(kind: str, /, **attributes: str | bytes) -> bytes:
    words = "".join(f" {key}='{b64(value)}'" for key, value in attributes.items())
    return f"##octopus[{kind}{words}]".encode()


def plain(item: Item) -> object:
    """Comparable: a Secret is not, on purpose."""
    match item:
        case SetOutput(name, Secret() as value):
            return ("secret", name, value.reveal())
        case Hide(value):
            return ("hide", value.reveal())
        case _:
            return item


def read(*chunks: bytes) -> list[object]:
    """What comes out, with neighbouring bytes put together."""
    reader = MessageReader()
    items: list[Item] = [item for chunk in chunks for item in reader.feed(chunk)]
    return joined([*items, *reader.finish()])


def joined(items: Iterable[Item]) -> list[object]:
    found: list[object] = []
    for item in map(plain, items):
        if isinstance(item, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += item
        else:
            found.append(item)
    return found


UNDERSTOOD: dict[bytes, object] = {
    message("setVariable", name="Version", value="1.4.2"): SetOutput("Version", "1.4.2"),
    message("setVariable", value="1.4.2", name="Version"): SetOutput("Version", "1.4.2"),
    message("setVariable", name="Empty"): SetOutput("Empty", ""),
    message("setVariable", name="Lines", value="zwei\nZeilen äöü\n"): SetOutput("Lines", "zwei\nZeilen äöü\n"),
    message("setVariable", name="A b.c:d[0]-e", value="x"): SetOutput("A b.c:d[0]-e", "x"),
    message("setVariable", name="P", value="hunter22", sensitive="True"): ("secret", "P", "hunter22"),
    message("setVariable", sensitive="maybe", name="P", value="hunter22"): ("secret", "P", "hunter22"),
    message("setVariable", name="P", value="hunter22", sensitive="False"): SetOutput("P", "hunter22"),
    message("SETVARIABLE", NAME="Version", Value="1"): SetOutput("Version", "1"),
    b"##octopus[setVariable  name = \"VQ==\"\tvalue='MQ==' ]": SetOutput("U", "1"),
    message("createArtifact", path="/tmp/a b.log", name="the log", length="12"): Artifact("/tmp/a b.log", "the log"),
    message("createArtifact", path="/tmp/a.log"): Artifact("/tmp/a.log", "a.log"),
    message("createArtifact", path="/x", name="../../etc/passwd"): Artifact("/x", "../../etc/passwd"),
    message("createArtifact", path="/x", name=".."): Artifact("/x", ".."),
    message("createArtifact", path="/x", name="a\n\x1b[2Jb"): Artifact("/x", "a\n\x1b[2Jb"),
    message("progress", percentage="50", message="Half way"): Progress(50, "Half way"),
    message("progress", percentage="250", message=""): Progress(100, ""),
    message("progress", percentage="1e999"): Progress(100, ""),
    message("progress", percentage="33.4%", message="a\nb"): Progress(33, "a\nb"),
    message("resultMessage", message="no database\x1b[2J"): Failure("no database\x1b[2J"),
    message("mask", value="hunter22"): ("hide", "hunter22"),
    message("stdout-highlight"): LevelChanged(Level.HIGHLIGHT),
    message("stdout-verbose"): LevelChanged(Level.VERBOSE),
    message("stdout-warning"): LevelChanged(Level.WARNING),
    message("stdout-wait"): LevelChanged(Level.WAIT),
    message("stdout-error"): LevelChanged(Level.ERROR),
    message("stdout-ignore"): LevelChanged(Level.VERBOSE),
    message("stdout-default"): LevelChanged(None),
}


@pytest.mark.parametrize(("text", "meaning"), UNDERSTOOD.items(), ids=lambda value: None)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b""])
def test_a_message_is_understood_and_its_line_vanishes(text: bytes, meaning: object, line_end: bytes) -> None:
    assert read(text + line_end) == [meaning]
    assert read(b"before\n" + text + line_end + b"after\n") == [b"before\n", meaning, b"after\n"]


@pytest.mark.parametrize("name", ["stderr-ignore", "stderr-progress", "stderr-error", "stderr-default"])
def test_what_is_about_standard_error_alone_says_nothing(name: str) -> None:
    assert read(b"a\n" + message(name) + b"\nb\n") == [b"a\nb\n"]


TEXT = [
    b"",
    b"no newline",
    b"a\r\nb\n\n",
    b"##",
    b"##octopus",
    b"##octopus[",
    b"#!/bin/sh\n# a comment\n",
    b"not at the start ##octopus[stdout-verbose]\n",
    b" ##octopus[stdout-verbose]\n",
    b"##octopus[unknown]\n",
    b"##octopus[unknown name='QQ==']\r\nnext\n",
    b"##octopus[stdout-verbose\nnext\n",
    b"##octopus[don't\nnext, it's a line\n",
    b"##octopus[progress percentage='!!!' message='']\n",
    b"##octopus[progress percentage='QQ==']\n",
    b"##octopus[progress percentage='NTA=' percentage='NTA=']\n",
    b"##octopus[createArtifact]\n",
    b"##octopus[unknown name='" + b"x" * (MAX_MESSAGE_BYTES + 10) + b"']\nnext\n",
    b"##octopus[unknown " + b"x" * (3 * MAX_MESSAGE_BYTES) + b"]\nnext\n",
    bytes(range(256)) * 3,
]


@pytest.mark.parametrize("text", TEXT, ids=range(len(TEXT)))
def test_what_is_no_message_stays_as_it_is(text: bytes) -> None:
    assert read(text) == ([text] if text else [])


def test_text_of_a_partial_line_is_not_held_back() -> None:
    reader = MessageReader()
    assert reader.feed(b"Continue? [y/n] ") == [b"Continue? [y/n] "]
    assert reader.feed(b"# comment") == [b"# comment"]
    assert reader.feed(b"\n##oc") == [b"\n"]
    assert reader.feed(b"ean\n") == [b"##ocean\n"]


@pytest.mark.parametrize(
    "text",
    [
        b"##octopus[setVariable name='UA==' value='!hunter22' sensitive='VHJ1ZQ==']",
        b"##octopus[setVariable name='UA==' value='hunter22\nhunter22' sensitive='VHJ1ZQ=']",
        b"##octopus[setVariable name='UA==' value=hunter22 sensitive='VHJ1ZQ==']",
        b"##octopus[setVariable name='UA=='\nvalue=\"hunter22\" sensitive='VHJ1ZQ=='",
        b"##octopus[setVariable value='hunter22",
        b"##octopus[setvariable hunter22]",
        b"##octopus[ setVariable name='UA==' value='hunter22']",
        b"##octopus[mask value='hunter2']",
        b"##octopus[set-environmentstate key='QQ==' value='hunter22' sensitive='VHJ1ZQ==']",
        b"##octopus[create-userpassaccount name='QQ==' password='hunter22']",
        b"##octopus[create-tokenaccount token='hunter22' \n]",
        b"##octopus[setVariable name='UA==' value='" + b"hunter22" * MAX_MESSAGE_BYTES + b"' sensitive='VHJ1ZQ==']",
        b"##octopus[setVariable name='UA==' value='" + b"hunter22\n" * MAX_MESSAGE_BYTES + b"']",
    ],
    ids=range(13),
)
def test_what_may_be_secret_is_never_shown_when_it_makes_no_sense(text: bytes) -> None:
    items = read(b"before\n" + text + b"\nand after\n") if text.endswith(b"]") else read(b"before\n" + text)
    assert len(items) == 1
    shown = items[0]
    assert isinstance(shown, bytes)
    assert b"hunter" not in shown
    assert shown.startswith(b"before\n" + HIDDEN)
    assert not text.endswith(b"]") or shown.endswith(b"and after\n")


def test_a_secret_is_not_in_any_repr() -> None:
    [item] = MessageReader().feed(message("setVariable", name="P", value="hunter22", sensitive="True") + b"\n")
    assert "hunter22" not in repr(item)


def test_an_output_behind_a_prompt_without_a_newline_is_one_too() -> None:
    text = b"Working... " + message("setVariable", name="P", value="hunter22", sensitive="True") + b"\ndone\n"
    assert read(text) == [b"Working... ", ("secret", "P", "hunter22"), b"done\n"]


def test_a_sentence_is_one_bounded_line_without_control_characters() -> None:
    assert sentence(" no\ndatabase\x1b[2J\t") == "no database [2J"
    assert sentence("é" * 5000) == "é" * 1000


def test_messages_may_follow_each_other_and_text_may_follow_them_on_their_line() -> None:
    text = message("stdout-wait") + message("stdout-default") + b" hello\n" + message("progress", percentage="5")
    assert read(text) == [LevelChanged(Level.WAIT), LevelChanged(None), b" hello\n", Progress(5, "")]


def test_values_may_be_wrapped_as_base64_prints_them() -> None:
    value = "a long value " * 30
    wrapped = base64.encodebytes(value.encode())
    assert read(b"##octopus[setVariable name='QQ==' value='" + wrapped + b"']\nnext\n") == [
        SetOutput("A", value),
        b"next\n",
    ]
    assert read(b"##octopus[resultMessage message='" + wrapped.replace(b"\n", b"\r\n") + b"']\n") == [Failure(value)]


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"name": "", "value": "x"}, "its name must be"),
        ({"name": "é", "value": "x"}, "its name must be"),
        ({"name": "a\tb", "value": "x"}, "its name must be"),
        ({"name": "x" * 201, "value": "x"}, "its name must be"),
        ({"name": "A", "value": "x" * (MAX_VALUE_BYTES + 1)}, "output A is dropped: a value may hold 32 KiB"),
        ({"name": "A", "value": b"\xff\xfe"}, "output A is dropped: its value is not UTF-8"),
        ({"name": "A", "value": "a\0b"}, "output A is dropped: its value holds a NUL byte"),
        ({"name": "A", "value": "abc", "sensitive": "True"}, "output A is dropped: a secret is at least 4"),
        ({"name": "A", "value": b"\xffhunter22", "sensitive": "True"}, "output A is dropped: its value is not UTF-8"),
    ],
)
def test_an_output_that_cannot_be_kept_is_dropped_with_a_sentence(attributes: dict[str, str | bytes], why: str) -> None:
    [shown] = read(message("setVariable", **attributes) + b"\n")
    assert isinstance(shown, bytes)
    assert shown.startswith(b"octo-ssh: ")
    assert why in shown.decode()
    assert shown.count(b"\n") == 1
    assert b"hunter" not in shown


def test_there_is_a_most_of_outputs_but_one_may_be_set_again() -> None:
    reader = MessageReader()
    for number in range(MAX_OUTPUTS):
        assert reader.feed(message("setVariable", name=f"o{number}", value="1") + b"\n")[0] == SetOutput(
            f"o{number}", "1"
        )
    [dropped] = reader.feed(message("setVariable", name="more", value="1") + b"\n")
    assert isinstance(dropped, bytes)
    assert b"output more is dropped: a script may set 100" in dropped
    assert reader.feed(message("setVariable", name="o0", value="2") + b"\n") == [SetOutput("o0", "2")]


def test_outputs_have_a_most_together_and_what_is_replaced_does_not_count() -> None:
    reader = MessageReader()
    value = "x" * MAX_VALUE_BYTES
    for _ in range(3):
        for number in range(MAX_OUTPUT_BYTES // MAX_VALUE_BYTES):
            [item] = reader.feed(message("setVariable", name=f"o{number}", value=value) + b"\n")
            assert isinstance(item, SetOutput)
    [dropped] = reader.feed(message("setVariable", name="more", value="1") + b"\n")
    assert isinstance(dropped, bytes)
    assert b"all together may hold 1024 KiB" in dropped


def test_there_is_a_most_of_artifacts() -> None:
    reader = MessageReader()
    items = [reader.feed(message("createArtifact", path="/x") + b"\n") for _ in range(MAX_ARTIFACTS + 1)]
    assert items[-2] == [Artifact("/x", "x")]
    assert items[-1] == [b"octo-ssh: an artifact is dropped: a script may keep 20\n"]


def test_there_is_a_most_of_what_is_hidden_and_setting_an_output_again_counts() -> None:
    reader = MessageReader()
    again = message("setVariable", name="P", value="hunter22", sensitive="True") + b"\n"
    items = [reader.feed(again) for _ in range(MAX_SECRETS - 1)]
    assert all(isinstance(item, SetOutput) for [item] in items)
    assert isinstance(reader.feed(message("mask", value="hunter23") + b"\n")[0], Hide)
    assert reader.feed(message("mask", value="hunter24") + b"\n") == [
        b"octo-ssh: a text is not masked: a script may hide 1000 texts, of 1024 KiB\n"
    ]
    assert reader.feed(again) == [
        b"octo-ssh: output P is dropped: a script may hide 1000 texts, of 1024 KiB\n",
    ]


def test_what_is_hidden_has_a_most_together() -> None:
    reader = MessageReader()
    hide = message("mask", value="x" * MAX_VALUE_BYTES) + b"\n"
    items = [item for _ in range(MAX_OUTPUT_BYTES // MAX_VALUE_BYTES + 1) for item in reader.feed(hide)]
    assert [isinstance(item, Hide) for item in items] == [True] * (len(items) - 1) + [False]


def test_whether_a_message_may_hold_a_secret_is_asked_once_however_many_line_breaks_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0
    ask = message_stream.may_hold_secret

    def counted(text: bytes | bytearray) -> bool:
        nonlocal asked
        asked += 1
        return ask(text)

    monkeypatch.setattr(message_stream, "may_hold_secret", counted)
    reader = MessageReader()
    for _ in range(3):
        reader.feed(b"##octopus[" + b"x" * 1000 + b" key='!" + b"\n" * 1000 + b"']\n")
    assert asked == 3


PIECES = st.sampled_from(
    [
        *(text for text in TEXT if len(text) < 1000),
        *UNDERSTOOD,
        b"\n",
        b"\r",
        b"\r\n",
        b"#",
        b"##octopus[",
        b"##octopus[setVariable name='QQ==' value='",
        b"QUJD\nREVG",
        b"' sensitive='VHJ1ZQ==']",
        b"]",
        b"'",
        b"word",
    ]
)


@given(st.lists(PIECES, max_size=8).map(b"".join), st.data())
def test_however_the_output_is_cut_the_same_items_come_out(text: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(*chunks) == read(text)
    assert read(*(text[at : at + 1] for at in range(len(text)))) == read(text)


@pytest.mark.parametrize("size", [999, MAX_MESSAGE_BYTES - 1, MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES + 1])
@pytest.mark.parametrize(
    "text",
    [
        b"##octopus[unknown name='" + b"x" * MAX_MESSAGE_BYTES + b"'] and\nnext\n",
        b"##octopus[setVariable value='" + b"QUJD\n" * MAX_MESSAGE_BYTES + b"' sensitive='VHJ1ZQ=='] and\nnext\n",
        b"##octopus[setVariable name='QQ==' value='" + b"QUJD" * 8000 + b"']\nnext\n" * 4,
    ],
    ids=["text", "hidden", "understood"],
)
def test_however_long_messages_are_cut_the_same_items_come_out(text: bytes, size: int) -> None:
    assert read(*(text[at : at + size] for at in range(0, len(text), size))) == read(text)


@given(st.binary(max_size=300))
def test_bytes_without_the_mark_of_a_message_come_through_as_they_are(text: bytes) -> None:
    assert read(text) == ([text] if text else [])


@given(st.lists(PIECES, max_size=6).map(b"".join))
def test_text_and_messages_can_be_told_apart_again(text: bytes) -> None:
    """Nothing is lost, doubled or made up: what is no message's line stands in the output as it stood in the stream."""
    shown = re.sub(rb"octo-ssh: .*\n", b"", b"".join(item for item in read(text) if isinstance(item, bytes)))
    rest = iter(text)
    assert all(byte in rest for byte in shown)


def test_a_long_message_in_single_bytes_is_read_in_linear_time() -> None:
    reader = MessageReader()
    text = message("setVariable", name="A", value="x" * MAX_VALUE_BYTES)
    items = [item for byte in text for item in reader.feed(bytes((byte,)))]
    assert [*items, *reader.finish()] == [SetOutput("A", "x" * MAX_VALUE_BYTES)]

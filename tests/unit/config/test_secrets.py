"""Secrets: read late, bounded, and never shown by anything that holds them."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import json
import logging
import os
import pickle
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.config.secrets import MAX_BYTES, SecretStore, known_here
from octo_ssh.config.templates import render_file
from octo_ssh.errors import Position, SecretError
from octo_ssh.model.program import Acting, Sudo
from octo_ssh.model.values import (
    AgeSource,
    CommandSource,
    EnvSource,
    FileSource,
    OutputSource,
    PromptSource,
    Secret,
    SecretRef,
    SecretSource,
)

AT = Position("plan.yaml", 4, 14)
SENTINEL = "sentinel-7Q!x"


def ref(source: SecretSource) -> SecretRef:
    return SecretRef(source, AT)


def sh(script: str, folder: str = "") -> SecretRef:
    return ref(CommandSource(("/bin/sh", "-c", script), folder))


def test_an_environment_variable_is_read() -> None:
    assert SecretStore({"TOKEN": "hunter22"}).reveal(ref(EnvSource("TOKEN"))).reveal() == "hunter22"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"hunter22", "hunter22"),
        (b"hunter22\n", "hunter22"),
        (b"hunter22\r\n", "hunter22"),
        (b"hunter22\n\n", "hunter22\n"),
        (b" two words \n", " two words "),
        ("größer\n".encode(), "größer"),
    ],
)
def test_a_file_is_read_less_one_final_newline(tmp_path: Path, content: bytes, secret: str) -> None:
    (tmp_path / "token").write_bytes(content)
    assert SecretStore({}).reveal(ref(FileSource(str(tmp_path / "token")))).reveal() == secret


def test_a_command_is_run_in_its_folder_without_a_shell_and_without_input(tmp_path: Path) -> None:
    (tmp_path / "give").write_text('#!/bin/sh\nread line || printf "%s in %s\\n" "$1" "$(basename "$PWD")"\n')
    (tmp_path / "give").chmod(0o755)
    given = SecretStore({}).reveal(ref(CommandSource(("./give", "$HOME; id"), str(tmp_path))))
    assert given.reveal() == f"$HOME; id in {tmp_path.name}"


def test_each_source_is_read_once(tmp_path: Path) -> None:
    store = SecretStore({})
    count = sh(f"echo x >>{tmp_path}/runs; echo hunter22")
    assert store.reveal(count) is store.reveal(dataclasses.replace(count, position=Position("other.yaml", 1, 1)))
    assert (tmp_path / "runs").read_text() == "x\n"
    assert [secret.reveal() for secret in store.known()] == ["hunter22"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (EnvSource("MISSING"), "the secret from environment variable MISSING is not set: export it"),
        (EnvSource("EMPTY"), "the secret from environment variable EMPTY is empty"),
        (
            EnvSource("SHORT"),
            "the secret from environment variable SHORT is shorter than 4 characters, which cannot be masked: "
            "take a longer one",
        ),
        (EnvSource("BYTES"), "the secret from environment variable BYTES is not UTF-8 text: encode it, with base64"),
        (EnvSource("HUGE"), "the secret from environment variable HUGE is larger than 64 KiB: that is no secret"),
        (FileSource("/nowhere/x"), "the secret from file /nowhere/x is not there: the file '/nowhere/x' cannot be"),
        (FileSource("/"), "the secret from file / is not there: '/' is not a regular file"),
        (FileSource("/dev/zero"), "the secret from file /dev/zero is not there: '/dev/zero' is not a regular file"),
        (CommandSource(("no-such-program",), ""), "the secret from command no-such-program is not there"),
        (
            CommandSource(("/bin/sh", "-c", f"echo {SENTINEL}; echo {SENTINEL} >&2; exit 3"), ""),
            "the secret from command /bin/sh cannot be had: the program ended with status 3: run it by hand to see why",
        ),
        (
            CommandSource(("/bin/sh", "-c", f"echo {SENTINEL}; while :; do sleep 9; done"), ""),
            "the secret from command /bin/sh was not given within 0.3 s: run the program by hand to see why",
        ),
        (
            CommandSource(("/bin/sh", "-c", f"echo {SENTINEL}; exec >&-; sleep 60"), ""),
            "the secret from command /bin/sh was not given within 0.3 s: run the program by hand to see why",
        ),
        (
            CommandSource(("/bin/sh", "-c", f"while :; do echo {SENTINEL}; done"), ""),
            "the secret from command /bin/sh is larger than 64 KiB: that is no secret",
        ),
        (
            CommandSource(("/bin/sh", "-c", f"printf '{SENTINEL}\\000x'"), ""),
            "the secret from command /bin/sh holds a NUL byte, which no script can take: encode it, with base64",
        ),
    ],
)
def test_what_is_not_usable_is_refused_without_showing_it(source: SecretSource, message: str) -> None:
    environ = {"EMPTY": "", "SHORT": "abc", "BYTES": "sent\udcffinel", "HUGE": "x" * (MAX_BYTES + 1)}
    store = SecretStore(environ, command_timeout_s=0.3)
    with pytest.raises(SecretError) as caught:
        store.reveal(ref(source))
    assert str(caught.value).startswith(f"plan.yaml:4:14: {message}")
    shown = "".join(traceback.format_exception(caught.value))
    assert SENTINEL not in shown.replace(str(source), "")
    assert store.known() == ()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (EnvSource("TOKEN"), None),
        (EnvSource("MISSING"), "the environment variable MISSING is not set: export it"),
        (FileSource("/nowhere"), "the file '/nowhere' cannot be read: No such file or directory"),
        (FileSource("/"), "'/' is not a regular file"),
        (FileSource("/dev/null"), "'/dev/null' is not a regular file"),
        (CommandSource(("sh",), ""), None),
        (CommandSource(("/bin/sh",), ""), None),
        (CommandSource(("./sh",), "/bin"), None),
        (CommandSource(("./sh",), "/etc"), "there is no program './sh' that could be run: install it, or check PATH"),
        (CommandSource(("nope-nope",), ""), "there is no program 'nope-nope' that could be run"),
    ],
)
def test_whether_a_source_is_there_can_be_told_without_reading_it(source: SecretSource, reason: str | None) -> None:
    found = SecretStore({"TOKEN": ""}).check(ref(source))
    assert found == reason or (reason and found and found.startswith(reason))


def test_a_file_that_this_user_may_not_read_is_told(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "token").write_text("hunter22")
    (tmp_path / "token").chmod(0)
    reason = SecretStore({}).check(ref(FileSource(str(tmp_path / "token"))))
    assert reason == f"the file '{tmp_path}/token' may not be read by this user"


def test_a_program_that_was_too_slow_does_not_live_on(tmp_path: Path) -> None:
    store = SecretStore({}, command_timeout_s=0.3)
    with pytest.raises(SecretError):
        store.reveal(sh(f"sh -c 'echo $$ >{tmp_path}/pid; exec sleep 60' & wait"))
    child = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 10
    while _lives(child) and time.monotonic() < end:
        time.sleep(0.01)  # a killed process takes a moment to go
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclasses.dataclass(frozen=True)
class Holder:
    """Something that holds a secret, as the model's types do."""

    name: str
    secret: Secret


SECRET = Secret(SENTINEL)
HOLDERS = [
    SECRET,
    [SECRET],
    {"token": SECRET},
    Holder("x", SECRET),
    Sudo("root", SECRET),
    Acting("script", "body", (), lambda reply: None, (SECRET,)),
    render_file(b"${{ token }}", {"token": ref(EnvSource("T"))}, lambda _: SECRET, file="x"),
    SecretStore({"T": SENTINEL}),
]


@pytest.mark.parametrize("thing", HOLDERS, ids=lambda thing: type(thing).__name__)
def test_nothing_shows_a_secret(thing: object, caplog: pytest.LogCaptureFixture) -> None:
    if isinstance(thing, SecretStore):
        thing.reveal(ref(EnvSource("T")))
    logging.getLogger("octo").warning("%s %r %s", thing, thing, [thing])
    shown = [repr(thing), str(thing), f"{thing}", "%s %r" % (thing, thing), caplog.text]  # noqa: UP031
    try:
        raise RuntimeError(thing)
    except RuntimeError as error:
        shown += traceback.format_exception(error)
        shown += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    for serialise in (pickle.dumps, json.dumps, lambda it: json.dumps(it, default=repr), copy.deepcopy):
        try:
            shown.append(repr(serialise(thing)))
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            shown.append(repr(error))
    assert SENTINEL not in "\n".join(shown)


def test_a_dataclass_as_a_map_does_not_give_the_secret_away() -> None:
    shown: object
    try:
        shown = dataclasses.asdict(Holder("x", SECRET))
    except TypeError as error:
        shown = error
    assert SENTINEL not in repr(shown)
    with pytest.raises(TypeError, match="a secret does not leave its process"):
        pickle.dumps(Holder("x", SECRET))


def test_a_secret_in_a_format_string_keeps_its_value() -> None:
    for spec in ("", ">20", "s"):
        assert SENTINEL not in format(SECRET, spec)
    assert Secret(SENTINEL) != SECRET


ANSWER = ref(PromptSource("Password?"))
OUTPUT = ref(OutputSource("make", "web-01", "key"))


@pytest.mark.parametrize("given", [ANSWER, OUTPUT])
def test_what_was_given_in_this_run_is_remembered(given: SecretRef) -> None:
    store = SecretStore({})
    assert store.check(given) == "was not given in this run"
    with pytest.raises(SecretError, match=f"the secret from {given} was not given in this run".replace("?", ".")):
        store.reveal(given)
    secret = store.remember(given, " hunter22\n")
    assert secret.reveal() == " hunter22\n"
    assert store.check(given) is None
    assert store.reveal(dataclasses.replace(given, position=Position("other.yaml", 1, 1))) is secret
    assert store.known() == (secret,)


def test_a_secret_that_was_given_again_leaves_the_former_one_masked() -> None:
    store = SecretStore({})
    former, later = store.remember(OUTPUT, "hunter22"), store.remember(OUTPUT, "hunter33")
    assert store.reveal(OUTPUT) is later
    assert set(store.known()) == {former, later}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("7Q!", "is shorter than 4 characters, which cannot be masked: take a longer one"),
        ("7Q!x\0", "holds a NUL byte, which no script can take: encode it, with base64 for example"),
        ("7Q!x\udcff", "is not UTF-8 text: encode it, with base64 for example"),
        ("é" * MAX_BYTES, "is larger than 64 KiB: that is no secret"),
    ],
)
def test_what_cannot_be_a_secret_is_not_remembered(text: str, why: str) -> None:
    store = SecretStore({})
    with pytest.raises(SecretError) as caught:
        store.remember(OUTPUT, text)
    assert caught.value.message == f"plan.yaml:4:14: the secret from output key of step make on web-01 {why}"
    assert store.known() == ()


def test_age_secrets_are_decrypted_with_the_identity_of_the_environment(tmp_path: Path) -> None:
    pyrage: Any = importlib.import_module("pyrage")
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "token.age").write_bytes(pyrage.encrypt(b"hunter22\n", [identity.to_public()]))
    given = ref(AgeSource(path=str(tmp_path / "token.age")))
    store = SecretStore({"OCTO_SSH_AGE_KEY": str(identity)})
    assert store.check(given) is None
    assert store.reveal(given).reveal() == "hunter22"


def test_an_age_secret_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    given = ref(AgeSource(path=str(tmp_path / "none.age")))
    store = SecretStore({"HOME": str(tmp_path), "OCTO_SSH_AGE_KEY_FILE": str(tmp_path / "none.key")})
    why = store.check(given)
    assert why
    with pytest.raises(SecretError) as caught:
        store.reveal(given)
    assert caught.value.message == f"plan.yaml:4:14: the secret from {given} cannot be had: {why}"


TOKEN = ref(EnvSource("TOKEN"))
NAMES = {"token": TOKEN, "other": "plain"}


@pytest.mark.parametrize(
    ("text", "learnt"),
    [
        ("${{ token }}", set()),
        ("Bearer ${{ token }}", set()),
        ("${{ 'Bearer ' ~ token }}", set()),
        ("${{ token | upper }}", {"USER:HUNTER22-HUNTER@HOST.EXAMPLE"}),
        ("a ${{ token.split(':')[1] }} b ${{ other }}", {"hunter22-hunter@host.example"}),
        ("${{ token.split('@') }}", {"user:hunter22-hunter", "host.example"}),
        (
            "${{ {token.split('@')[1]: token.split('@')[0], 'b': 1, 'c': none} }}",
            {"user:hunter22-hunter", "host.example"},
        ),
        ("${{ token[:7] }}", set()),
        ("${{ 'very secret' if token else 'not so secret' }}", set()),
        ("${{ token | length }}${{ token == 'x' }}", set()),
        ("${{ (token | length) * 1000000 }}", {"33000000"}),
        ("${{ token | urlencode }} ${{ token | urlencode }}", {"user%3Ahunter22-hunter%40host.example"}),
    ],
)
def test_what_a_template_makes_of_a_secret_is_masked_like_it(text: str, learnt: set[str]) -> None:
    secret = "user:hunter22-hunter@host.example"
    store = SecretStore({"TOKEN": secret})
    render_file(text.encode(), NAMES, store, file="app.conf")
    assert {known.reveal() for known in store.known()} == {secret, *learnt}
    assert store.count == len(store.known())


def test_a_secret_that_was_given_again_and_what_was_made_of_it_count() -> None:
    store = SecretStore({})
    assert store.count == 0
    for number, text in enumerate(("hunter22", "hunter33"), 1):
        store.remember(OUTPUT, text)
        assert store.count == len(store.known()) == number
    store.learn("something else")
    store.learn("something else")
    store.learn("short")
    store.learn("x" * (MAX_BYTES + 1))
    assert store.count == len(store.known()) == 3


def test_a_process_knows_the_secrets_of_all_its_stores() -> None:
    one, other = SecretStore({"TOKEN": "hunter22"}), SecretStore({})
    assert not {"hunter22", "hunter33"} & {secret.reveal() for secret in known_here()}
    one.reveal(TOKEN)
    other.remember(OUTPUT, "hunter33")
    assert {"hunter22", "hunter33"} <= {secret.reveal() for secret in known_here()}

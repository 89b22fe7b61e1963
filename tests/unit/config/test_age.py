"""Secrets that age encrypted: identities, recipients, what is said when one cannot be had."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.config.age import (
    AgeError,
    Identities,
    check,
    decrypt,
    encrypt,
    identities,
    identity_path,
    new_identity,
    opened,
    read_recipients,
)
from octo_ssh.config.problems import Problems
from octo_ssh.model.values import AgeSource

KEY, RECIPIENT = new_identity()
OTHER_KEY, OTHER = new_identity()
ENVIRON = {"OCTO_SSH_AGE_KEY": KEY}
ARMORED = encrypt(b"s3cret text\n", [RECIPIENT])


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose config folder holds no identity yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    path = identity_path()
    path.parent.mkdir(parents=True)
    return path


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def ssh_key(folder: Path, *words: str, passphrase: str = "") -> Path:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen")
    path = folder / "id"
    subprocess.run(["ssh-keygen", "-q", *words, "-N", passphrase, "-f", path], check=True, capture_output=True)
    return path


@given(st.binary(max_size=3000))
def test_what_was_encrypted_is_decrypted_again(data: bytes) -> None:
    assert decrypt(AgeSource(text=encrypt(data, [OTHER, RECIPIENT])), ENVIRON) == data


def test_the_armor_is_that_of_age() -> None:
    lines = encrypt(b"x" * 100, [RECIPIENT]).splitlines()
    assert (lines[0], lines[-1]) == ("-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----")
    assert {len(line) for line in lines[1:-2]} == {64}
    assert 0 < len(lines[-2]) <= 64


@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), str.strip, lambda text: f"\n  {text}\n\n"])
def test_what_editors_do_to_the_ends_of_lines_does_no_harm(change: Callable[[str], str]) -> None:
    assert decrypt(AgeSource(text=change(ARMORED)), ENVIRON) == b"s3cret text\n"


@pytest.mark.parametrize("armored", [True, False])
def test_a_file_may_be_armored_or_not(armored: bool, tmp_path: Path) -> None:
    path = tmp_path / "key.age"
    public = pyrage.x25519.Recipient.from_str(RECIPIENT)
    path.write_bytes(ARMORED.encode() if armored else pyrage.encrypt(b"s3cret text\n", [public]))
    assert check(AgeSource(path=str(path)), ENVIRON) is None
    assert decrypt(AgeSource(path=str(path)), ENVIRON) == b"s3cret text\n"


@pytest.mark.parametrize("words", [("-t", "ed25519"), ("-t", "rsa", "-b", "2048"), ("-m", "PEM", "-t", "rsa")])
def test_keys_of_ssh_open_what_is_encrypted_for_them(words: tuple[str, ...], tmp_path: Path) -> None:
    path = ssh_key(tmp_path, *words)
    armored = encrypt(b"for ssh", [path.with_suffix(".pub").read_text().strip()])
    assert decrypt(AgeSource(text=armored), {"OCTO_SSH_AGE_KEY_FILE": str(path)}) == b"for ssh"
    assert decrypt(AgeSource(text=armored), {"OCTO_SSH_AGE_KEY": path.read_text().strip()}) == b"for ssh"


@pytest.mark.parametrize(
    ("words", "passphrase", "said"),
    [(("-t", "ed25519"), "words", "has a passphrase"), (("-t", "ecdsa"), "", "of a kind that age has not")],
)
def test_keys_of_ssh_that_cannot_serve_are_refused(
    words: tuple[str, ...], passphrase: str, said: str, tmp_path: Path
) -> None:
    path = ssh_key(tmp_path, *words, passphrase=passphrase)
    assert said in (check(AgeSource(text=ARMORED), {"OCTO_SSH_AGE_KEY_FILE": str(path)}) or "")


def test_an_identity_file_may_hold_several_keys_and_comments(config: Path) -> None:
    private(config, f"# created today\n\n{OTHER_KEY}\n  {KEY}  \n")
    assert decrypt(AgeSource(text=ARMORED), {}) == b"s3cret text\n"


def test_the_variable_is_asked_before_the_named_file_and_that_before_the_users_own(
    config: Path, tmp_path: Path
) -> None:
    named = {"OCTO_SSH_AGE_KEY_FILE": str(private(tmp_path / "named", KEY))}
    private(config, OTHER_KEY)
    assert decrypt(AgeSource(text=ARMORED), named) == b"s3cret text\n"
    with pytest.raises(AgeError, match="not encrypted for the identity in"):
        decrypt(AgeSource(text=ARMORED), named | {"OCTO_SSH_AGE_KEY": OTHER_KEY})
    with pytest.raises(AgeError, match="not encrypted for the identity in"):
        decrypt(AgeSource(text=ARMORED), {})


def test_without_an_identity_it_is_said_how_to_get_one(config: Path) -> None:
    said = check(AgeSource(text=ARMORED), {})
    assert said == f"the age identity '{config}' does not exist: 'octo-ssh secrets keygen' makes it," + (
        " or set OCTO_SSH_AGE_KEY_FILE"
    )
    said = check(AgeSource(text=ARMORED), {"OCTO_SSH_AGE_KEY_FILE": "/nowhere/key"})
    assert said == "the age identity '/nowhere/key' does not exist: OCTO_SSH_AGE_KEY_FILE names it"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_an_identity_that_others_can_read_is_refused(config: Path, mode: int) -> None:
    private(config, KEY).chmod(mode)
    said = check(AgeSource(text=ARMORED), {}) or ""
    assert f"(mode {mode:04o}): chmod 600 it" in said
    with pytest.raises(AgeError, match="chmod 600"):
        decrypt(AgeSource(text=ARMORED), {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "there is no key in"),
        ("# only a comment\n", "there is no key in"),
        (f"{KEY}\nAGE-SECRET-KEY-1WRONG\n", "line 2 of the age identity"),
        ("AGE-PLUGIN-YUBIKEY-1QQ\n", "line 1 of the age identity"),
        (ARMORED, "is itself encrypted"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "it is damaged"),
    ],
    ids=["empty", "comment", "wrong line", "plugin", "encrypted", "damaged"],
)
def test_an_identity_that_is_none_is_told_without_showing_it(config: Path, content: str, said: str) -> None:
    private(config, content)
    told = check(AgeSource(text=ARMORED), {}) or ""
    assert said in told
    assert "WRONG" not in told
    assert KEY not in told


def test_an_identity_is_never_printed() -> None:
    who = identities(ENVIRON)
    assert KEY not in f"{who!r} {who}"


def test_a_pipe_in_place_of_an_identity_is_not_waited_for(config: Path) -> None:
    os.mkfifo(config, 0o600)
    assert "is not a regular file" in (check(AgeSource(text=ARMORED), {}) or "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist: 'octo-ssh secrets edit "),
        (b"db_password=hunter2\n", "is no age file: 'octo-ssh secrets encrypt' makes one"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n" + b"A" * (1 << 20), "is larger than 1024 KiB"),
    ],
)
def test_what_is_no_age_file_is_told_before_anything_is_decrypted(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.age"
    if content is not None:
        path.write_bytes(content)
    told = check(AgeSource(path=str(path)), ENVIRON) or ""
    assert said in told
    assert "hunter2" not in told


def test_a_text_that_is_no_age_file_is_not_shown() -> None:
    assert check(AgeSource(text="hunter2"), ENVIRON) == (
        "the text is no age file: it must begin with '-----BEGIN AGE ENCRYPTED FILE-----'"
    )


@pytest.mark.parametrize("at", [1, 2, 3, -2])
def test_a_damaged_text_is_an_error_of_ours(at: int) -> None:
    lines = ARMORED.splitlines()
    lines[at] = ("B" if lines[at][0] == "A" else "A") + lines[at][1:]
    with pytest.raises(AgeError):
        decrypt(AgeSource(text="\n".join(lines)), ENVIRON)


@given(st.binary(max_size=200))
def test_whatever_follows_the_header_is_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(AgeError):
        opened(b"age-encryption.org/v1\n" + data, identities(ENVIRON))


def test_a_passphrase_is_never_asked_for() -> None:
    for data in (
        pyrage.passphrase.encrypt(b"x", "words"),
        encrypt_armored := pyrage.passphrase.encrypt(b"x", "words", armored=True),
    ):
        with pytest.raises(AgeError, match="encrypted with a passphrase"):
            opened(data, identities(ENVIRON))
    assert encrypt_armored.startswith(b"-----BEGIN")


def test_recipients_stand_one_a_line_with_comments(tmp_path: Path) -> None:
    ssh = ssh_key(tmp_path, "-t", "ed25519").with_suffix(".pub").read_text().strip()
    path = tmp_path / "age-recipients.txt"
    path.write_text(f"# alice\n{RECIPIENT}\n\n  {ssh}  \n# the same again\n{RECIPIENT}\n")
    problems = Problems()
    assert read_recipients(path, problems) == (RECIPIENT, ssh)
    assert not problems


def test_every_line_that_names_no_recipient_is_told_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "age-recipients.txt"
    path.write_text(f"{RECIPIENT}\n alice\nage1nonsense\nssh-ed25519 AAAA\n{KEY}\necdsa-sha2-nistp256 AAAA\n")
    problems = Problems()
    assert read_recipients(path, problems) == (RECIPIENT,)
    told = [str(problem) for problem in problems.listing()]
    assert [text.split(": ")[0].removeprefix(str(path)) for text in told] == [":2:2", ":3:1", ":4:1", ":5:1", ":6:1"]
    assert "a private key stands here" in told[3]
    assert KEY not in "\n".join(told)


@pytest.mark.parametrize(("content", "said"), [(None, "does not exist"), ("# nobody\n", "names no recipient")])
def test_without_a_recipient_it_is_said_how_to_get_one(content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "age-recipients.txt"
    if content is not None:
        path.write_text(content)
    problems = Problems()
    assert read_recipients(path, problems) == ()
    assert said in str(problems.listing()[0])
    assert "octo-ssh secrets keygen" in str(problems.listing()[0])


def test_nothing_is_encrypted_for_nobody() -> None:
    with pytest.raises(AgeError, match="name a recipient"):
        encrypt(b"x", [])


def test_without_keys_nothing_is_opened() -> None:
    with pytest.raises(AgeError, match="not encrypted for the identity in nowhere"):
        opened(ARMORED.encode(), Identities("nowhere", ()))

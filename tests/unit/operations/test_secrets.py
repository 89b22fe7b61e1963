"""Identities, and secrets encrypted for the people who may read them: made, changed, encrypted anew."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from octo_ssh.config.age import decrypt, encrypt, new_identity, opened
from octo_ssh.config.age import identities as identities_of
from octo_ssh.config.document import parse_document, plain
from octo_ssh.config.problems import Problems
from octo_ssh.errors import FileErrors, SecretError, UsageError
from octo_ssh.model.values import AgeSource
from octo_ssh.operations.secret_edit import Edited, edit
from octo_ssh.operations.secrets import encrypt_file, encrypt_value, keygen, recipients, rotate

KEY, RECIPIENT = new_identity()
NEW_KEY, NEW = new_identity()
ENVIRON = {"OCTO_SSH_AGE_KEY": KEY}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with nothing yet, in a folder of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def reads(path: Path | str, key: str = KEY) -> bytes:
    return decrypt(AgeSource(path=str(path)), {"OCTO_SSH_AGE_KEY": key})


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# keygen


def test_an_identity_is_made_for_its_owner_alone(home: Path) -> None:
    made = keygen(None)
    path = Path(made.path)
    assert (mode_of(path), mode_of(path.parent)) == (0o600, 0o700)
    armored = encrypt(b"text", [made.recipient])
    assert opened(armored.encode(), identities_of({})) == b"text"
    assert f"# recipient: {made.recipient}\n" in path.read_text()


def test_an_identity_is_never_overwritten(home: Path) -> None:
    path = Path(keygen("key").path)
    before = path.read_text()
    with pytest.raises(UsageError, match="is there already"):
        keygen("key")
    assert path.read_text() == before
    (home / "link").symlink_to("nowhere")
    with pytest.raises(UsageError, match="is there already"):
        keygen("link")


def test_an_identity_that_cannot_be_written_is_told(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(FileErrors, match="cannot be written"):
        keygen("file/key")


# recipients


def test_recipients_lie_beside_the_inventory_or_where_one_says(home: Path) -> None:
    (home / "fleet").mkdir()
    (home / "fleet/age-recipients.txt").write_text(RECIPIENT)
    (home / "others").write_text(NEW)
    assert recipients("fleet/inventory.yaml", None) == (RECIPIENT,)
    assert recipients("fleet/inventory.yaml", "others") == (NEW,)
    with pytest.raises(FileErrors, match=r"^age-recipients\.txt: this file does not exist"):
        recipients("inventory.yaml", None)


# encrypt


@pytest.mark.parametrize("name", [None, "api_token"])
def test_a_value_becomes_yaml_that_can_be_pasted(name: str | None) -> None:
    text = encrypt_value(b"hunter22", [RECIPIENT], name)
    node = parse_document(text, "x", problems := Problems())
    assert node is not None
    assert not problems
    value = plain(node) if name is None else plain(node)[name]
    assert decrypt(AgeSource(text=value["secret"]["age"]), ENVIRON) == b"hunter22"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "4 characters at least"),
        (b"abc\n", "4 characters at least"),
        (b"\xff\xfe\xfd\xfc\xfb", "no text"),
        (b"abcd\0efgh", "no text"),
        (b"x" * (64 * 1024 + 1), "64 KiB at most"),
    ],
)
def test_what_could_not_be_used_later_is_not_encrypted(value: bytes, said: str, home: Path) -> None:
    with pytest.raises(SecretError, match=said):
        encrypt_value(value, [RECIPIENT])
    (home / "key").write_bytes(value)
    with pytest.raises(SecretError, match=said):
        encrypt_file("key", [RECIPIENT], overwrite=False)
    assert not (home / "key.age").exists()


def test_a_file_is_encrypted_beside_itself_and_stays(home: Path) -> None:
    (home / "server.key").write_text("a private key\n")
    assert encrypt_file("server.key", [RECIPIENT], overwrite=False) == Path("server.key.age")
    assert reads("server.key.age") == b"a private key\n"
    assert (home / "server.key").read_text() == "a private key\n"


def test_an_encrypted_file_is_replaced_only_when_that_is_said(home: Path) -> None:
    (home / "key").write_text("first")
    encrypt_file("key", [RECIPIENT], overwrite=False)
    (home / "key").write_text("second")
    with pytest.raises(UsageError, match="is there already"):
        encrypt_file("key", [RECIPIENT], overwrite=False)
    assert reads("key.age") == b"first"
    encrypt_file("key", [RECIPIENT], overwrite=True)
    assert reads("key.age") == b"second"


def test_what_is_encrypted_already_or_not_there_is_not_encrypted(home: Path) -> None:
    (home / "key.age").write_text(encrypt(b"text", [RECIPIENT]))
    with pytest.raises(UsageError, match="is encrypted already"):
        encrypt_file("key.age", [RECIPIENT], overwrite=False)
    with pytest.raises(UsageError, match="does not exist"):
        encrypt_file("nothing", [RECIPIENT], overwrite=False)


# edit


class Editor:
    """An editor that looks around and does what a test wants."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "my editor"
        self.seen = folder / "seen"
        self.environ = {**ENVIRON, "PATH": os.environ["PATH"], "VISUAL": f"'{self.script}' --wait"}

    def does(self, *lines: str) -> None:
        look = f'stat -c %a "$(dirname "$2")" "$2" >{self.seen}; echo "$1 $2" >>{self.seen}; cat "$2" >>{self.seen}'
        self.script.write_text("\n".join(["#!/bin/sh", look, "case $2 in *.age) exit 9; esac", *lines, ""]))
        self.script.chmod(0o755)

    @property
    def folder(self) -> Path:
        """Where the plain text was."""
        return Path(self.seen.read_text().splitlines()[2].split()[1]).parent


@pytest.fixture
def editor(home: Path) -> Editor:
    return Editor(home)


def test_a_file_is_edited_in_private_and_encrypted_for_the_recipients_of_now(home: Path, editor: Editor) -> None:
    path = home / "key.age"
    path.write_text(encrypt(b"old text\n", [RECIPIENT]))
    path.chmod(0o640)
    editor.does('echo more >>"$2"', 'echo backup >"$2~"')
    assert edit("key.age", [NEW], editor.environ) is Edited.CHANGED
    assert reads(path, NEW_KEY) == b"old text\nmore\n"
    assert mode_of(path) == 0o640
    folder_mode, file_mode, words, *text = editor.seen.read_text().splitlines()
    assert (folder_mode, file_mode, text) == ("700", "600", ["old text"])
    assert words.startswith("--wait /")
    assert not editor.folder.exists()


def test_a_file_that_was_not_changed_stays_byte_for_byte(home: Path, editor: Editor) -> None:
    before = encrypt(b"old text\n", [RECIPIENT])
    (home / "key.age").write_text(before)
    editor.does()
    assert edit("key.age", [NEW], editor.environ) is Edited.UNCHANGED
    assert (home / "key.age").read_text() == before
    assert not editor.folder.exists()


def test_a_new_file_is_made_and_nothing_where_nothing_was_written(home: Path, editor: Editor) -> None:
    editor.does()
    assert edit("key.age", [RECIPIENT], editor.environ) is Edited.UNCHANGED
    assert not (home / "key.age").exists()
    editor.does('echo text >"$2.new"; mv "$2.new" "$2"')
    assert edit("key.age", [RECIPIENT], editor.environ) is Edited.NEW
    assert reads("key.age") == b"text\n"


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("exit 3", "ended with status 3: nothing was changed"),
        ('echo changed >"$2"; exit 1', "ended with status 1: nothing was changed"),
        ('rm "$2"', "left no file"),
        ('rm "$2"; ln -s /etc/passwd "$2"', "left no file"),
        ('rm "$2"; mkfifo "$2"', "left no file"),
        ('printf ab >"$2"', "4 characters at least"),
    ],
)
def test_when_the_editor_fails_nothing_is_changed_and_nothing_is_left(
    home: Path, editor: Editor, does: str, said: str
) -> None:
    before = encrypt(b"old text\n", [RECIPIENT])
    (home / "key.age").write_text(before)
    editor.does(does)
    with pytest.raises(SecretError, match=said):
        edit("key.age", [RECIPIENT], editor.environ)
    assert (home / "key.age").read_text() == before
    assert not editor.folder.exists()


def test_ctrl_c_is_the_editors_and_a_signal_to_end_leaves_nothing(home: Path, editor: Editor) -> None:
    from octo_ssh.cli.guard import signals_interrupt

    (home / "key.age").write_text(encrypt(b"old text\n", [RECIPIENT]))
    editor.does("kill -INT $PPID", 'echo more >>"$2"')
    assert edit("key.age", [RECIPIENT], editor.environ) is Edited.CHANGED
    editor.does("kill -TERM $PPID", "sleep 30")
    with signals_interrupt(), pytest.raises(KeyboardInterrupt):
        edit("key.age", [RECIPIENT], editor.environ)
    assert not editor.folder.exists()


@pytest.mark.parametrize(
    ("path", "environ", "error", "said"),
    [
        ("plan.yaml", {"EDITOR": "true"}, UsageError, "does not end in .age"),
        ("key.age", {"EDITOR": "no-such-editor"}, UsageError, "no editor 'no-such-editor'"),
        ("key.age", {"VISUAL": "'unclosed"}, UsageError, "no editor"),
        ("key.age", {"EDITOR": "true", "OCTO_SSH_AGE_KEY": NEW_KEY}, SecretError, "not encrypted for the identity"),
        ("plain.age", {"EDITOR": "true"}, FileErrors, "no age file"),
    ],
)
def test_what_cannot_be_edited_is_told(
    home: Path, path: str, environ: dict[str, str], error: type[Exception], said: str
) -> None:
    (home / "key.age").write_text(encrypt(b"old text\n", [RECIPIENT]))
    (home / "plain.age").write_text("hunter22")
    with pytest.raises(error, match=said) as raised:
        edit(path, [RECIPIENT], {"PATH": os.environ["PATH"], **ENVIRON, **environ})
    assert "hunter22" not in str(raised.value)


# rotate


def yaml_with(value: bytes, name: str = "token") -> str:
    return f"# kept\nvariables:\n  {encrypt_value(value, [RECIPIENT], name).strip().replace(chr(10), chr(10) + '  ')}\n"


def test_everything_in_a_folder_is_encrypted_anew_and_all_else_stays(home: Path) -> None:
    for folder in ("secrets", ".git", "inventory.d"):
        (home / folder).mkdir()
    (home / "secrets/key.age").write_text(encrypt(b"the key", [RECIPIENT]))
    (home / ".git/key.age").write_text("not ours")
    (home / "plan.yaml").write_text(yaml_with(b"hunter22"))
    (home / "inventory.d/other.yml").write_text("a:   1 # as it was\n")
    (home / "chart.yaml").write_text("{{ not: yaml }}")
    (home / "link.age").symlink_to("secrets/key.age")
    done = rotate(["."], [NEW], ENVIRON)
    assert [(row.path, row.values) for row in done] == [("./plan.yaml", 1), ("./secrets/key.age", 0)]
    assert reads("secrets/key.age", NEW_KEY) == b"the key"
    text = (home / "plan.yaml").read_text()
    assert text.startswith("# kept\nvariables:\n  token:\n    secret:\n      age: |\n        -----BEGIN")
    node = parse_document(text, "plan.yaml", Problems())
    assert node is not None
    armored = plain(node)["variables"]["token"]["secret"]["age"]
    assert decrypt(AgeSource(text=armored), {"OCTO_SSH_AGE_KEY": NEW_KEY}) == b"hunter22"
    assert (home / "inventory.d/other.yml").read_text() == "a:   1 # as it was\n"
    assert (home / "link.age").is_symlink()


def test_who_is_no_recipient_any_more_cannot_read_what_was_encrypted_anew(home: Path) -> None:
    (home / "key.age").write_text(encrypt(b"the key", [RECIPIENT]))
    rotate(["key.age"], [NEW], ENVIRON)
    with pytest.raises(FileErrors, match="not encrypted for the identity"):
        rotate(["key.age"], [NEW], ENVIRON)


def test_where_one_secret_cannot_be_opened_nothing_is_changed(home: Path) -> None:
    (home / "a.age").write_text(before := encrypt(b"the key", [RECIPIENT]))
    (home / "b.age").write_text(encrypt(b"not mine", [NEW]))
    (home / "c.yaml").write_text(yaml_with(b"hunter22").replace("age: |", "age: >"))
    (home / "d.age").write_text("hunter22")
    with pytest.raises(FileErrors) as raised:
        rotate(["a.age", "b.age", "c.yaml", "d.age"], [NEW], ENVIRON)
    told = [str(problem) for problem in raised.value.problems]
    assert [text.split(": ")[0] for text in told] == ["b.age", "c.yaml:5:12", "d.age"]
    assert "hunter22" not in str(raised.value)
    assert (home / "a.age").read_text() == before


@pytest.mark.parametrize(("path", "said"), [("nothing.age", "there is no"), ("notes.txt", "no file that ends in")])
def test_a_path_that_holds_no_secret_was_typed_wrongly(home: Path, path: str, said: str) -> None:
    (home / "notes.txt").write_text("")
    with pytest.raises(UsageError, match=said):
        rotate([path], [NEW], ENVIRON)


def test_without_an_identity_nothing_is_encrypted_anew(home: Path) -> None:
    with pytest.raises(SecretError, match=r"nothing was encrypted anew: the age identity .* does not exist"):
        rotate(["."], [NEW], {})

"""What a file step wants: rendered, read, measured."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.errors import FileErrors
from octo_ssh.model.plan import SecretContent, SourceContent, TemplateContent
from octo_ssh.model.program import FileInput
from octo_ssh.model.values import EnvSource, Secret, SecretRef, Template
from octo_ssh.planning.diffs import MAX_BYTES
from octo_ssh.planning.wanted import Wanted, wanted_file
from tests.unit.planning.builders import HERE, file, loaded, run

TOKEN = SecretRef(EnvSource("TOKEN"), HERE)


def wanted(content: Any, *, variables: dict[str, Any] | None = None, text: str = "s3cret-token", **keys: Any) -> Wanted:
    step = file(content=content, **keys)
    given = loaded(run("make"), step, targets=("web-1",), variables=variables or {})
    return wanted_file(given, step, "web-1", lambda ref: Secret(text))


def content_of(found: Wanted) -> bytes:
    assert isinstance(found.content, Secret)
    raw = found.content.reveal().encode("utf-8", "surrogateescape")
    assert found.file is not None
    assert (found.file.size, found.file.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
    return raw


def test_absent_wants_nothing() -> None:
    assert wanted(None) == Wanted(None, None)


def test_text_and_templates_are_rendered_and_measured() -> None:
    assert content_of(wanted("grüß\n")) == "grüß\n".encode()
    found = wanted(Template("on ${{ target }}: ${{ a }}", HERE), variables={"a": 1}, mode=0o600)
    assert content_of(found) == b"on web-1: 1"
    assert found.file is not None
    assert (found.file.mode, found.file.holds_secrets) == (0o600, False)


def test_a_template_file_keeps_every_other_byte() -> None:
    found = wanted(TemplateContent("a.conf", b"\xff ${{ a }}\r\n"), variables={"a": "x"})
    assert content_of(found) == b"\xff x\r\n"


def test_content_with_a_secret_in_it_says_so() -> None:
    found = wanted(Template("t=${{ token }}", HERE), variables={"token": TOKEN})
    assert content_of(found) == b"t=s3cret-token"
    assert found.file is not None
    assert found.file.holds_secrets


@pytest.mark.parametrize(("text", "expected"), [("one line", b"one line"), ("a\nb", b"a\nb\n"), ("a\nb\n", b"a\nb\n")])
def test_a_secret_of_several_lines_ends_with_a_newline(text: str, expected: bytes) -> None:
    found = wanted(SecretContent(TOKEN), text=text)
    assert content_of(found) == expected
    assert found.file is not None
    assert found.file.holds_secrets


def test_content_with_outputs_waits_and_reads_its_secrets_now() -> None:
    asked: list[SecretRef] = []
    step = file(content=Template("${{ token }} ${{ steps.make.output.KEY }}", HERE))
    given = loaded(run("make"), step, targets=("web-1",), variables={"token": TOKEN})

    def reveal(ref: SecretRef) -> Secret:
        asked.append(ref)
        return Secret("s3cret-token")

    found = wanted_file(given, step, "web-1", reveal)
    assert asked == [TOKEN]
    assert found.content is None
    assert found.file is not None
    assert found.file.late is not None
    assert (found.file.late.after, found.file.holds_secrets) == (("make",), True)


def test_a_source_is_hashed_and_held_only_if_it_is_small(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"\xff\0")
    large.write_bytes(b"x" * (MAX_BYTES + 1))
    assert content_of(wanted(SourceContent(str(small)))) == b"\xff\0"
    found = wanted(SourceContent(str(large)))
    assert found.content == FileInput(str(large), MAX_BYTES + 1)
    assert found.file is not None
    assert found.file.sha256 == hashlib.sha256(large.read_bytes()).hexdigest()


def test_a_source_that_is_gone_and_a_template_that_fails_are_mistakes_in_files(tmp_path: Path) -> None:
    with pytest.raises(FileErrors, match="gone cannot be read: No such file"):
        wanted(SourceContent(str(tmp_path / "gone")))
    with pytest.raises(FileErrors, match=r"plan.yaml:1:1: undefined name 'b'"):
        wanted(Template("${{ b }}", HERE))

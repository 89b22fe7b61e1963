"""``octo-ssh schema`` from outside: JSON that any terminal can carry."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

OCTO = (sys.executable, "-c", "from octo_ssh.cli import main; main()", "schema")


def run(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*OCTO, *words], env={**os.environ, "LC_ALL": "C"}, capture_output=True, check=False)


@pytest.mark.parametrize(("file", "key"), [("plan", "steps"), ("inventory", "targets"), ("drift", "counts")])
def test_the_schema_of_a_file_is_printed(file: str, key: str) -> None:
    done = run(file)
    assert (done.returncode, done.stderr) == (0, b"")
    schema = json.loads(done.stdout.decode("ascii"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert key in schema["properties"]


def test_other_files_have_none() -> None:
    done = run("known_hosts")
    assert done.returncode == 2
    assert b"'inventory', 'plan', 'drift'" in done.stderr

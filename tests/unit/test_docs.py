"""Every YAML example of the README and the docs is loaded, as a user who copies it would load it.

A block whose first line is ``# inventory.yaml`` or ``# plan.yaml`` is such a file. A plan's block may show some keys
only: the rest is added here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from octo_ssh.config.age import encrypt, new_identity
from octo_ssh.config.document import parse_document, plain
from octo_ssh.config.json_schema import inventory_schema, plan_schema
from octo_ssh.config.load import LoadRequest, load
from octo_ssh.config.problems import Problems

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^```yaml\n# (inventory|plan)\.yaml\b[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANY_BLOCK = re.compile(r"^```ya?ml\n", re.MULTILINE)

FEATURE = re.compile(r"^\|([^|]+)\|([^|]+)\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
VERDICTS = ("same", "better", "other way", "left out", "not built yet")

REST_OF_PLAN = {
    "version": "version: 1\n",
    "project": "project: shop\n",
    "release": 'release: "1.4.2"\n',
    "packages": "packages: {shop: {dir: build/}}\n",
    "variables": "variables: {api_token: {secret: {env: SHOP_TOKEN}}}\n",
}
PLAN = 'version: 1\nproject: shop\nsteps: [{name: Say hello, run: "echo hello"}]\n'
INVENTORY = """version: 1
variables: {app_port: 8080}
environments: {staging: {}, production: {}}
targets: {web-03: {tags: [web], environments: [staging, production]}}
"""


def examples() -> list[object]:
    return [
        pytest.param(kind, text, id=f"{page.name}:{page.read_text()[: match.start()].count(chr(10)) + 1}")
        for page in PAGES
        for match in BLOCK.finditer(page.read_text())
        for kind, text in [match.groups()]
    ]


def completed(plan: str) -> str:
    """A plan with the keys that its example left out; a package only where a step deploys it."""
    said = set(re.findall(r"^(\w+):", plan, re.MULTILINE)) | (set() if "package: shop" in plan else {"packages"})
    return plan + "".join(line for key, line in REST_OF_PLAN.items() if key not in said)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything that the examples name."""
    for name in ("build", "assets", "dist", "scripts", "secrets", "units", "files"):
        (tmp_path / name).mkdir()
    (tmp_path / "dist/shop.1.4.2.tar.gz").write_bytes(b"")
    (tmp_path / "scripts/warm.sh").write_text("echo warm\n")
    (tmp_path / "units/shop.service").write_text("[Service]\nEnvironment=PORT=${{ app_port }}\n")
    (tmp_path / "files/logo.png").write_bytes(b"")
    (tmp_path / "secrets/key").write_text("a secret\n")
    (tmp_path / "secrets/key").chmod(0o600)
    for name, text in (
        ("cloud-hosts", 'echo \'{"targets": {"web-7": {"host": "192.0.2.7", "tags": ["web"]}}}\''),
        ("pass", "echo secret"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    identity, recipient = new_identity()
    (tmp_path / "secrets/license.age").write_text(encrypt(b"a license", [recipient]))
    monkeypatch.setenv("OCTO_SSH_AGE_KEY", identity)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SHOP_TOKEN", "a token")
    monkeypatch.setenv("SUDO_PASSWORD", "a password")
    return tmp_path


@pytest.mark.parametrize(("kind", "text"), examples())
def test_an_example_loads(kind: str, text: str, folder: Path) -> None:
    if kind == "plan":
        text = completed(text)
    (folder / "plan.yaml").write_text(text if kind == "plan" else PLAN)
    (folder / "inventory.yaml").write_text(text if kind == "inventory" else INVENTORY)
    staging = "staging" if kind == "plan" or re.search(r"^environments:", text, re.MULTILINE) else None
    loaded = load(LoadRequest(str(folder / "plan.yaml"), environment=staging), answer=lambda prompt: "typed in")
    assert loaded.targets


SCHEMAS = {"plan": Draft202012Validator(plan_schema()), "inventory": Draft202012Validator(inventory_schema())}


@pytest.mark.parametrize(("kind", "text"), examples())
def test_an_example_fits_its_schema(kind: str, text: str) -> None:
    node = parse_document(completed(text) if kind == "plan" else text, "example", Problems())
    assert node is not None
    assert [error.message for error in SCHEMAS[kind].iter_errors(plain(node))] == []


def test_the_example_inventory_loads(folder: Path) -> None:
    (folder / "plan.yaml").write_text(PLAN)
    (folder / "inventory.yaml").write_text((ROOT / "inventory.example.yaml").read_text())
    assert load(LoadRequest(str(folder / "plan.yaml"), environment="production")).targets


def test_there_are_examples_and_each_says_which_file_it_is() -> None:
    blocks = sum(len(ANY_BLOCK.findall(page.read_text())) for page in PAGES)
    assert len(examples()) == blocks >= 12


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def features() -> list[tuple[str, str, str]]:
    """Of the table for those who come from Octopus: feature, verdict, the tests that show it."""
    rows = FEATURE.findall((ROOT / "docs/from-octopus.md").read_text())
    return [
        (feature.strip(), verdict.strip(), proof.strip())
        for feature, verdict, _, proof in rows
        if verdict.strip() not in ("here", "---")
    ]


def test_the_features_of_octopus_are_judged_and_those_that_are_here_are_shown_by_tests() -> None:
    assert len(features()) > 80
    assert [row for row in features() if row[1] not in VERDICTS] == []
    assert [row for row in features() if row[1] in VERDICTS[:2] and not TEST.fullmatch(row[2])] == []


PROMISE = re.compile(r"^\|.*\|([^|\n]*)\|$", re.MULTILINE)


def promises() -> list[str]:
    """What each line of the tables of guarantees names as its proof."""
    rows = PROMISE.findall((ROOT / "docs/guarantees.md").read_text())
    return [proof.strip() for proof in rows if proof.strip().lower() not in ("shown by", "---")]


def test_every_promise_is_shown_by_a_test() -> None:
    assert len(promises()) > 40
    assert [proof for proof in promises() if not re.fullmatch(rf"({TEST.pattern} ?)+", proof)] == []


def named_tests() -> list[tuple[str, str]]:
    return sorted({test for text in (*(row[2] for row in features()), *promises()) for test in TEST.findall(text)})


@pytest.mark.parametrize(("file", "test"), named_tests())
def test_a_test_that_the_docs_name_is_there(file: str, test: str) -> None:
    assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file} has no {test}"

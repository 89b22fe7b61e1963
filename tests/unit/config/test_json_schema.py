"""The JSON Schemas and the reference page say what the loader does: they take what it takes, and refuse mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from octo_ssh.config.document import parse_document, plain
from octo_ssh.config.inventory_shapes import DynamicOutputShape, IncludedShape
from octo_ssh.config.json_schema import describe, inventory_schema, plan_schema
from octo_ssh.config.problems import Problems
from octo_ssh.config.reference import SHAPES, reference
from octo_ssh.config.schema import Shape

ROOT = Path(__file__).parents[3]
HEADER = "version: 1\nproject: shop\n"
PLAN = Draft202012Validator(plan_schema())
INVENTORY = Draft202012Validator(inventory_schema())
FILES = sorted(
    path
    for folder in ("playbooks", "octo_ssh/operations/starter")
    for path in (ROOT / folder).rglob("*.yaml")
    if path.stem.startswith(("plan", "inventory"))
)


def data(text: str) -> Any:
    """A document as plain data, read by the rules of octo-ssh."""
    problems = Problems()
    node = parse_document(text, "f", problems)
    assert node is not None
    assert not problems
    return plain(node)


def refusals(validator: Draft202012Validator, text: str) -> list[str]:
    return [error.message for error in validator.iter_errors(data(text))]


def test_the_reference_is_what_the_definitions_say() -> None:
    assert (ROOT / "docs/reference.md").read_text(encoding="utf-8") == reference(), "run: make reference"


def test_the_schemas_are_schemas() -> None:
    Draft202012Validator.check_schema(plan_schema())
    Draft202012Validator.check_schema(inventory_schema())
    assert "x-" not in str(plan_schema()) + str(inventory_schema())


@pytest.mark.parametrize("shape", [*SHAPES, IncludedShape, DynamicOutputShape])
def test_every_key_is_described_with_an_example(shape: type[Shape]) -> None:
    for name, field in shape.model_fields.items():
        assert field.description, name
        assert field.description[0].isupper() or field.description.startswith("``"), name
        assert field.description.endswith("."), name
        assert field.examples, name


PARTS = [
    pytest.param(part, schema["$defs"], id=f"{schema['title']} {name}")
    for schema in (plan_schema(), inventory_schema())
    for name, part in {"": schema, **schema["$defs"]}.items()
]


@pytest.mark.parametrize(("part", "definitions"), PARTS)
def test_examples_and_defaults_of_keys_fit_their_own_schema(part: dict[str, Any], definitions: dict[str, Any]) -> None:
    for schema in part.get("properties", {}).values():
        inner = Draft202012Validator({**schema, "$defs": definitions})
        for example in [*schema.get("examples", []), *([schema["default"]] if "default" in schema else [])]:
            assert [error.message for error in inner.iter_errors(example)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_our_own_files_fit(path: Path) -> None:
    validator = PLAN if path.stem.startswith("plan") else INVENTORY
    assert refusals(validator, path.read_text(encoding="utf-8")) == []


def test_there_are_files_of_ours() -> None:
    assert len(FILES) >= 3


TAKEN = [
    "{name: a, run: x, retry: {times: 2, backoff: 1.5}, start: with_previous, on_failure: ignore, required: true}",
    "{name: a, script: x, unless: test -e y, reboots: true, environments: production}",
    "{name: a, run: x, when: '${{ port > 3 }}', become: {user: app}, on: controller}",
    "{name: a, file: ~/x, content: '', mode: '0644', owner: root, parents: true, diff: false, on_change: x}",
    "{name: a, file: /x, content: {secret: {age: x.age}}}",
    "{name: a, file: /x, content: {value: '${{ x }}'}}",
    "{name: a, file: /x, absent: true}",
    "{name: a, service: shop, state: stopped, enabled: false}",
    "{name: a, service: shop, restart: {on_change: b}}",
    "{name: a, approve: sure?}",
    "{name: a, check: {command: [x, '${{ y }}'], within: 1.5m}}",
    "{name: a, package: b, configure: {files: [c], set: {d: {'E:F': 1, g: {secret: {env: H}}}}}}",
    "{name: a, package: b, configure: [c]}",
    "{name: a, rolling: {window: 25%, canary: 1, pause: approve}, steps: [{name: b, run: x}]}",
    "{name: a, run: x, env: {A: 1, B: [2], C: {d: e}, F: {secret: {file: g}}}, variables: }",
    "{name: a, run: x, variables: {p: {prompt: {text: b, default: 3}}, s: {scoped: [{value: 1, target: t}]}}}",
]


@pytest.mark.parametrize("step", TAKEN)
def test_steps_of_every_kind_fit(step: str) -> None:
    assert refusals(PLAN, f"{HEADER}steps:\n- {step}\n") == []


REFUSED = [
    "{name: a}",
    "{run: x}",
    "{name: a, run: x, script: y}",
    "{name: a, run: x, file: /y, content: z}",
    "{name: a, run: 'echo ${{ x }}'}",
    "{name: a, run: ''}",
    "{name: a, runn: x}",
    "{name: a, run: x, mode: '0644'}",
    "{name: a, run: x, timeout: 30}",
    "{name: a, run: x, when: failed}",
    "{name: a, run: x, on_failure: skip}",
    "{name: a, run: x, become: root}",
    "{name: a, run: x, env: {a-b: 1}}",
    "{name: a, run: x, variables: {v: {secret: {vault: x}}}}",
    "{name: a, run: x, variables: {v: {secret: {env: x, file: y}}}}",
    "{name: a, run: x, variables: {v: {prompt: x}}}",
    "{name: a, run: x, variables: {v: {scoped: []}}}",
    "{name: a, run: x, retry: {times: 101}}",
    "{name: a, run: x, start: later}",
    "{name: a, file: /x}",
    "{name: a, file: /x, content: y, source: z}",
    "{name: a, file: /x, absent: false}",
    "{name: a, file: /x, content: y, mode: 644}",
    "{name: a, file: /x, content: y, mode: '4755'}",
    "{name: a, file: /x, content: 7}",
    "{name: a, service: b, state: started}",
    "{name: a, service: b, restart: {on_change: []}}",
    "{name: a, approve: x, timeout: 3m}",
    "{name: a, check: {}}",
    "{name: a, check: {http: x, command: y}}",
    "{name: a, package: b, confirm: 60}",
    "{name: a, package: b, configure: c}",
    "{name: a, package: b, configure: {set: {c: 1}}}",
    "{name: a, rolling: {window: many}, steps: [{name: b, run: x}]}",
    "{name: a, steps: []}",
    "{name: a, steps: [{name: b}]}",
]


@pytest.mark.parametrize("step", REFUSED)
def test_mistakes_in_steps_are_refused(step: str) -> None:
    assert refusals(PLAN, f"{HEADER}steps:\n- {step}\n")


def test_bad_keys_of_every_bad_plan_are_refused_here_too() -> None:
    sections = Path(__file__).with_name("bad_plans.txt").read_text(encoding="utf-8").split("\n## ")[1:]
    seen = 0
    for section in sections:
        lines = section.splitlines()[1:]
        text = "".join(f"{line}\n" for line in lines if not line.startswith("=> "))
        if any("unknown key" in line or "is missing here" in line or ", and this is " in line for line in lines):
            seen += 1
            assert refusals(PLAN, text if text.startswith(("version:", "- a", "{}")) else HEADER + text), section
    assert seen > 10


@pytest.mark.parametrize(
    "text",
    [
        "project: a\nsteps: [{name: a, run: x}]\n",
        "version: 2\nproject: a\nsteps: [{name: a, run: x}]\n",
        HEADER + "release: 1.4\nsteps: [{name: a, run: x}]\n",
        HEADER + "stps: []\nsteps: [{name: a, run: x}]\n",
        HEADER + "packages: {a: {file: x, dir: y}}\nsteps: [{name: a, run: x}]\n",
        HEADER + "max_failures: 110%x\nsteps: [{name: a, run: x}]\n",
        HEADER + "drift: {ignored: []}\nsteps: [{name: a, run: x}]\n",
        HEADER + "drift: {ignore: [{path: x, reason: y}]}\nsteps: [{name: a, run: x}]\n",
        HEADER + "drift: {ignore: [{path: x, reason: y, until: soon}]}\nsteps: [{name: a, run: x}]\n",
    ],
)
def test_mistakes_in_plans_are_refused(text: str) -> None:
    assert refusals(PLAN, text)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("targets: {web-1: }\nenvironments:\n", True),
        ("targets: {web-1: {jump: [a, b], port: 22, become: {password: {secret: {env: A}}}}}\n", True),
        ("environments: {a: {confirm: true, guided: true}}\n", True),
        ("dynamic: [{command: [./x], timeout: 20s}]\ninclude: a.yaml\n", True),
        ("targets: {web-1: {hots: x}}\n", False),
        ("targets: {web-1: {port: 70000}}\n", False),
        ("targets: {web-1: {become: {password: hunter2}}}\n", False),
        ("environments: {a: {requires: b}}\n", False),
        ("dynamic: [{command: []}]\n", False),
        ("tags: {web: [a]}\n", False),
    ],
)
def test_inventories_fit_or_are_refused(text: str, fits: bool) -> None:
    assert (refusals(INVENTORY, f"version: 1\n{text}") == []) is fits


def test_what_is_not_built_stays_out_of_the_schemas_and_is_marked_on_the_page() -> None:
    assert "requires" not in str(inventory_schema())
    assert "| `requires` | text |  | `staging` | *Not built yet, and refused so far.*" in reference()


def test_a_default_reads_as_it_would_be_written() -> None:
    shapes = {shape.__name__: describe(shape) for shape in SHAPES}
    assert shapes["RunShape"]["timeout"]["default"] == "30m"
    assert shapes["RetryShape"]["max_delay"]["default"] == "1h"
    assert shapes["RetryShape"]["backoff"]["default"] == 1
    assert shapes["PlanShape"]["max_failures"]["default"] == 0
    assert "default" not in shapes["FileShape"]["mode"]

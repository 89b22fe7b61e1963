"""A package as one target gets it: configured files, links to what is shared."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from octo_ssh.errors import FileErrors, PackageError, Position
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.plan import FileSettings, PackageStep
from octo_ssh.model.values import EnvSource, Secret, SecretRef, Template
from octo_ssh.planning.configure import Configured, configure, configured_paths, paths_to_read
from tests.unit.planning.builders import HERE, package, step, tree_of

PACKAGE = tree_of(
    {name: name for name in ("app.conf", "config/a.conf", "config/b.txt", "config/deep/c.conf", "var/up/x", "[a].conf")}
)
TOKEN = SecretRef(EnvSource("TOKEN"), HERE)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("config/*.conf", ("config/a.conf",)),
        ("*.conf", ("[a].conf", "app.conf")),
        ("**/*.conf", ("[a].conf", "app.conf", "config/a.conf", "config/deep/c.conf")),
        ("config/**", ("config/a.conf", "config/b.txt", "config/deep/c.conf")),
        ("config/?.conf", ("config/a.conf",)),
        ("config/[a-c].*", ("config/a.conf", "config/b.txt")),
        ("config/[!a].*", ("config/b.txt",)),
        ("./app.conf", ("app.conf",)),
    ],
)
def test_patterns_select_files(pattern: str, expected: tuple[str, ...]) -> None:
    assert configured_paths(PACKAGE, (pattern,)) == expected


@pytest.mark.parametrize("pattern", ["config/*.ini", "config", "config/*", "/app.conf", "a.c"])
def test_a_pattern_that_selects_no_file_is_an_error(pattern: str) -> None:
    if pattern == "config/*":
        assert configured_paths(PACKAGE, (pattern,)) == ("config/a.conf", "config/b.txt")
        return
    with pytest.raises(PackageError, match="no file of the package matches"):
        configured_paths(PACKAGE, (pattern,))


def make(texts: dict[str, bytes], *, shared: tuple[str, ...] = (), names: Any = None) -> Configured:
    step = package(shared=shared, configure=("**",))
    return configure(PACKAGE, texts, step, names or {}, lambda ref: Secret("s3cret"))


def test_a_configured_file_has_its_templates_rendered_and_counts_as_rendered() -> None:
    made = make({"app.conf": b"port=${{ port }} $HOME \xff\n"}, names={"port": 80})
    (file,) = made.files
    raw = b"port=80 $HOME \xff\n"
    assert file.content.reveal().encode("utf-8", "surrogateescape") == raw
    entry = made.manifest.entries["app.conf"]
    assert (entry.size, entry.sha256, file.mode) == (len(raw), hashlib.sha256(raw).hexdigest(), 0o644)


def test_a_configured_file_may_hold_a_secret_that_nothing_prints() -> None:
    made = make({"app.conf": b"${{ token }}"}, names={"token": TOKEN})
    assert made.files[0].content.reveal() == "s3cret"
    assert "s3cret" not in repr(made)


def test_every_mistake_in_the_files_is_told_at_its_line() -> None:
    with pytest.raises(FileErrors) as raised:
        make({"app.conf": b"a\nb ${{ nope }}", "config/a.conf": b"${{"})
    told = str(raised.value)
    assert "shop:app.conf:2:3: undefined name 'nope'" in told
    assert "shop:config/a.conf:1:1: " in told


def test_shared_paths_are_relative_links_out_of_the_release_and_their_contents_seeds() -> None:
    made = make({}, shared=("var/up", "log", "new/deep/er"))
    links = {path: entry.target for path, entry in made.manifest.entries.items() if entry.kind is Kind.LINK}
    assert links == {
        "var/up": "../../../shared/var/up",
        "log": "../../shared/log",
        "new/deep/er": "../../../../shared/new/deep/er",
    }
    assert made.seed_paths == ("var/up", "var/up/x")
    assert "var/up/x" not in made.manifest.entries
    assert made.manifest.entries["new/deep"] == Entry("new/deep", Kind.DIR, 0o755)


def test_a_shared_file_is_a_seed_by_itself() -> None:
    made = make({}, shared=("app.conf",))
    assert made.seed_paths == ("app.conf",)
    assert made.manifest.entries["app.conf"].target == "../../shared/app.conf"


def test_what_is_shared_cannot_be_configured() -> None:
    with pytest.raises(FileErrors, match="'var/up/x' is shared by all releases"):
        make({"var/up/x": b""}, shared=("var/up",))


def test_a_shared_path_below_a_file_is_an_error() -> None:
    with pytest.raises(FileErrors, match=r"lies below 'app\.conf', which is no folder"):
        make({}, shared=("app.conf/x",))


def test_without_anything_to_do_the_package_is_as_it_was() -> None:
    assert make({}).manifest == Manifest(PACKAGE.entries)


STRUCTURED = tree_of({name: name for name in ("app.json", "app.properties", "b/app.json", "plain.txt")})


def set_in(
    texts: dict[str, bytes], *settings: FileSettings, templates: tuple[str, ...] = (), names: Any = None
) -> Configured:
    kind = PackageStep("shop", configure=templates, settings=settings)
    assert set(texts) == set(paths_to_read(STRUCTURED, kind))
    return configure(STRUCTURED, texts, step("deploy", kind), names or {}, lambda ref: Secret("s3cret"))


def rows(path: str, **values: Any) -> FileSettings:
    places = {key: Position("plan.yaml", number, 9) for number, key in enumerate(values, 20)}
    return FileSettings(path, values, HERE, places)


def template(text: str) -> Template:
    return Template(text, Position("plan.yaml", 7, 3))


def contents(made: Configured) -> dict[str, str]:
    return {file.path: file.content.reveal() for file in made.files}


def test_values_are_set_with_their_types_and_secrets_revealed() -> None:
    row = rows(
        "app.json",
        port=template("${{ port }}"),
        url=template("https://${{ token }}@x"),
        key=TOKEN,
        both={"k": (TOKEN, template("${{ port }}"))},
        upper=template("${{ token | upper }}"),
    )
    text = b'{"port": 1, "url": "", "key": "", "both": null, "upper": ""}'
    made = set_in({"app.json": text}, row, names={"port": 80, "token": TOKEN})
    assert contents(made) == {
        "app.json": '{"port": 80, "url": "https://s3cret@x", "key": "s3cret", "both": {"k": ["s3cret", 80]},'
        ' "upper": "S3CRET"}'
    }
    assert "s3cret" not in repr(made)
    raw = made.files[0].content.reveal().encode()
    assert made.manifest.entries["app.json"].sha256 == hashlib.sha256(raw).hexdigest()


def test_templates_of_a_file_come_first_and_what_is_set_is_no_template() -> None:
    texts = {"app.json": b'{"${{ name }}": 1, "b": 2}', "plain.txt": b"${{ name }}"}
    made = set_in(texts, rows("app.json", a="${{ name }}"), templates=("app.json", "plain.txt"), names={"name": "a"})
    assert contents(made) == {"app.json": '{"a": "${{ name }}", "b": 2}', "plain.txt": "a"}


def test_a_file_in_which_values_are_set_is_no_template_by_itself() -> None:
    made = set_in({"app.json": b'{"a": "${{ name }}", "b": 2}'}, rows("app.json", b=3))
    assert contents(made) == {"app.json": '{"a": "${{ name }}", "b": 3}'}


def test_of_two_rows_for_one_key_the_later_counts() -> None:
    texts = {"app.json": b'{"a": 1, "b": 1}', "b/app.json": b'{"a": 1, "b": 1}'}
    made = set_in(texts, rows("**/app.json", a=2, b=2), rows("b/app.json", b=3))
    assert contents(made) == {"app.json": '{"a": 2, "b": 2}', "b/app.json": '{"a": 2, "b": 3}'}


def test_bytes_of_properties_stay() -> None:
    made = set_in({"app.properties": b"\xe9=\xff\na=1\n"}, rows("app.properties", a="b"))
    assert made.files[0].content.reveal().encode("utf-8", "surrogateescape") == b"\xe9=\xff\na=b\n"


def test_every_mistake_of_what_is_set_is_told_at_its_place() -> None:
    texts = {"app.json": b'{"a": 1}', "b/app.json": b'{\n"a" 1}', "app.properties": b"a=1"}
    with pytest.raises(FileErrors) as raised:
        set_in(
            texts,
            rows("app.json", x=1, a={"k": 1}, y=2),
            rows("b/app.json", a=1),
            rows("app.properties", a=template("${{ nope }}")),
        )
    assert [str(problem).split(" (")[0] for problem in raised.value.problems] == [
        "plan.yaml:7:3: undefined name 'nope'",
        "plan.yaml:20:9: app.json: the file has no key 'x': only what stands there can be set",
        "plan.yaml:22:9: app.json: the file has no key 'y': only what stands there can be set",
        "shop:b/app.json:2:5: this is not JSON: ':' is missing before this",
    ]


def test_outputs_of_steps_cannot_be_set() -> None:
    with pytest.raises(FileErrors, match="outputs of steps cannot be used here"):
        set_in({"app.json": b'{"a": 1}'}, rows("app.json", a=template("${{ steps.x.output.y }}")))

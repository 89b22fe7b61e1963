"""What travels: the lines, the files, the copies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.model.manifest import HEADER, TRAILER, Entry, Kind, Manifest
from octo_ssh.packages.delta import MAX_MOVES, MIN_COPY, Move, difference, is_simple, lacking

NAMES = st.sampled_from(
    ["a", "b", "lib/a", "lib/b", "sp ace", 'quo"te', "back\\slash", "new\nline", "ü", "caf\udce9", "-x", "it's"]
)
MODES = st.sampled_from([0o644, 0o755])


def entry(path: str, content: int, mode: int = 0o644, size: int = MIN_COPY) -> Entry:
    return Entry(path, Kind.FILE, mode, size, f"{content:064x}")


ENTRIES = st.one_of(
    st.builds(entry, NAMES, st.integers(0, 3), MODES, st.sampled_from([0, MIN_COPY])),
    st.builds(lambda path, mode: Entry(path, Kind.DIR, mode), NAMES, MODES),
    st.builds(lambda path, target: Entry(path, Kind.LINK, target=target), NAMES, NAMES),
)
DAMAGED = st.sets(NAMES)
MANIFESTS = st.lists(ENTRIES, unique_by=lambda found: found.path).map(Manifest.of)


@given(MANIFESTS, MANIFESTS, DAMAGED)
def test_taking_lines_out_and_putting_lines_in_gives_the_wanted_text(
    wanted: Manifest, base: Manifest, damaged: set[str]
) -> None:
    found = difference(wanted, base, damaged)
    lines = [line for line in base.text.splitlines() if line not in (HEADER, TRAILER)]
    assert set(found.remove_lines) <= set(lines)
    kept = [line for line in lines if line not in found.remove_lines]  # sort | uniq -u
    text = b"\n".join([HEADER, *sorted([*kept, *found.add_lines]), TRAILER, b""])  # LC_ALL=C sort
    assert text == wanted.text
    whose = {each.line(): each for each in wanted.entries.values()}
    assert damaged.isdisjoint(whose[line].path for line in kept)  # what the target copies from the base


@given(MANIFESTS, st.none() | MANIFESTS, DAMAGED)
def test_every_file_is_sent_copied_or_stays_and_nothing_twice(
    wanted: Manifest, base: Manifest | None, damaged: set[str]
) -> None:
    found = difference(wanted, base, damaged)
    assert found.missing == lacking(wanted, base, damaged)
    has = {path: each for path, each in base.entries.items() if path not in damaged} if base is not None else {}
    files = sorted(path for path, each in wanted.entries.items() if each.kind is Kind.FILE)
    assert sorted([*found.missing, *found.unchanged, *(to for _, to in found.copies)]) == files
    for path in found.unchanged:
        assert has[path] == wanted.entries[path]
    for origin, to in found.copies:
        old, new = has[origin], wanted.entries[to]
        assert (old.kind, old.sha256, old.size, old.mode) == (Kind.FILE, new.sha256, new.size, new.mode)
        assert is_simple(origin)
    for path in [*found.unchanged, *(to for _, to in found.copies)]:
        assert is_simple(path)


def test_without_a_base_everything_is_sent() -> None:
    wanted = Manifest.of([entry("a", 1), Entry("d", Kind.DIR, 0o755)])
    found = difference(wanted, None)
    assert (found.missing, found.copies, found.unchanged, found.remove_lines) == (("a",), (), (), ())
    assert found.add_lines == tuple(sorted(each.line() for each in wanted.entries.values()))


def test_a_renamed_folder_is_copied_and_only_what_is_new_is_sent() -> None:
    base = Manifest.of([entry(f"Django-5.0/{number}", number) for number in range(9)])
    wanted = Manifest.of([*(entry(f"Django-5.1/{number}", number) for number in range(9)), entry("Django-5.1/new", 99)])
    found = difference(wanted, base)
    assert found.missing == ("Django-5.1/new",)
    assert found.moves == (Move("Django-5.0", "Django-5.1", tuple("012345678")),)
    assert found.copies[0] == ("Django-5.0/0", "Django-5.1/0")
    assert len(found.copies) == 9


def test_files_that_move_together_are_one_move_and_others_are_copied_alone() -> None:
    base = Manifest.of(entry(path, number) for number, path in enumerate(["v1/lib/a/x", "v1/y", "top", "v1/lib/z"]))
    wanted = Manifest.of(
        entry(path, number) for number, path in enumerate(["v2/lib/a/x", "v2/y", "v2/in/top", "v2/lib/other"])
    )
    assert difference(wanted, base).moves == (
        Move("v1", "v2", ("lib/a/x", "y")),
        Move(".", "v2/in", ("top",)),
        Move("v1/lib/z", "v2/lib/other", ()),
    )


def test_of_very_many_moves_the_small_ones_are_sent() -> None:
    numbers = range(MAX_MOVES + 9)
    base = Manifest.of(entry(f"old-{number}", number, size=MIN_COPY + number) for number in numbers)
    wanted = Manifest.of(entry(f"new-{number}", number, size=MIN_COPY + number) for number in numbers)
    found = difference(wanted, base)
    assert len(found.moves) == MAX_MOVES
    assert found.missing == tuple(f"new-{number}" for number in range(9))


def test_what_is_damaged_counts_as_not_there() -> None:
    base = Manifest.of([entry("a", 1), entry("b", 2), entry("c", 2), Entry("d", Kind.DIR, 0o755)])
    wanted = Manifest.of([*base.entries.values(), entry("e", 1)])
    found = difference(wanted, base, {"a", "b", "d", "not in it"})
    assert (found.missing, found.unchanged, found.copies) == (("a", "e"), ("c",), (("c", "b"),))
    damaged = tuple(sorted(base.entries[path].line() for path in "abd"))
    assert found.remove_lines == damaged
    assert found.add_lines == tuple(sorted([*damaged, wanted.entries["e"].line()]))


def test_small_files_other_modes_and_odd_names_are_sent() -> None:
    base = Manifest.of([entry("a", 1), entry("b", 2, size=MIN_COPY - 1), entry("ü", 3)])
    wanted = Manifest.of([entry("x", 1, 0o755), entry("y", 2, size=MIN_COPY - 1), entry("z", 3), entry("ü", 3)])
    found = difference(wanted, base)
    assert found.missing == ("x", "y", "z", "ü")
    assert (found.copies, found.unchanged) == ((), ())


@given(st.text(min_size=1))
def test_a_simple_path_is_its_own_json(path: str) -> None:
    if is_simple(path):
        assert f'"path":"{path}"'.encode() in Entry(path, Kind.DIR).line()
        assert path.isascii()
        assert path.isprintable()
        assert path[0] != "-"


def test_common_names_are_simple_and_dangerous_ones_are_not() -> None:
    assert all(map(is_simple, ["a", "bin/app-1.0_x+y~", "[slug].js", "a b", "$HOME", "@scope/x", "a-b", ".env", "*"]))
    assert not any(map(is_simple, ["", "a'b", 'a"b', "a\\b", "a\nb", "a\tb", "-x", "ü", "\x7f"]))

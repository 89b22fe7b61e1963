"""Where symbolic links of a package lead: never out of it, also not by way of each other."""

from __future__ import annotations

from collections.abc import Mapping

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Entry, Kind
from octo_ssh.packages.names import shown

_MAX_FOLLOWED = 40  # as Linux: beyond it the kernel gives ELOOP, so nothing is reached
_MAX_WORK = 50_000_000  # path parts looked at in all; a node_modules of 20,000 links needs a hundredth of it


def check_links(entries: Mapping[str, Entry]) -> None:
    """Raise PackageError where a link leads out of the tree. Links to nothing, and loops, may stay."""
    work = 0
    for entry in entries.values():
        if entry.kind is Kind.LINK:
            work += _follow(entries, entry, _MAX_WORK - work)


def _follow(entries: Mapping[str, Entry], link: Entry, work_left: int) -> int:
    """Walk the link's target part by part, as the kernel would; the work it took."""
    if link.target.startswith("/"):
        raise PackageError(
            f"holds a link to an absolute path: {shown(link.path)} -> {shown(link.target)}",
            hint="make it relative, to something inside the package",
        )
    here = link.path.split("/")[:-1]
    todo = link.target.split("/")[::-1]
    followed = work = 0
    while todo:
        work += len(here) + 1
        if work > work_left:
            raise PackageError("holds links that are too many and too long to be followed")
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not here:
                raise PackageError(f"holds a link that leads out of it: {shown(link.path)} -> {shown(link.target)}")
            here.pop()
            continue
        here.append(part)
        found = entries.get("/".join(here))
        if found is None or found.kind is not Kind.LINK:
            continue
        followed += 1
        if followed > _MAX_FOLLOWED:
            break
        here.pop()
        todo.extend(found.target.split("/")[::-1])
    return work

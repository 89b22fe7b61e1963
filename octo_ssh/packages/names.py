"""Paths as packages name them: made safe, or refused."""

from __future__ import annotations

import os

from octo_ssh.errors import PackageError
from octo_ssh.packages.limits import Limits


def shown(name: str) -> str:
    """A name from a package for a message: one line, printable, not endless."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= 200 else f"{text[:100]}…{text[-80:]}"


def inner_path(raw: str, limits: Limits) -> str:
    """``raw`` as a path inside the release, without ``.`` parts and doubled slashes; empty for the root itself.

    Raises PackageError for anything that is not inside or that no Linux file system could hold.
    """
    if raw.startswith("/"):
        raise PackageError(f"holds the absolute path {shown(raw)}")
    if "\0" in raw:
        raise PackageError(f"holds a name with a NUL byte: {shown(raw)}")
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PackageError(f"holds a path with '..': {shown(raw)}")
    path = "/".join(parts)
    if len(encoded(path)) > limits.path:
        raise PackageError(f"holds a path longer than {limits.path} bytes: {shown(raw)}")
    for part in parts:
        if len(encoded(part)) > limits.name:
            raise PackageError(f"holds a name longer than {limits.name} bytes: {shown(raw)}")
    return path


def encoded(name: str) -> bytes:
    """The bytes of a name; lone surrogates are bytes that were no UTF-8."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise PackageError(f"holds a name that cannot be written: {shown(name)}") from None


def decoded(name: bytes) -> str:
    """The reverse of ``encoded``, whatever the locale."""
    return name.decode("utf-8", "surrogateescape")


def local_path(location: str, folder: str) -> str:
    """A path of the plan: absolute, or relative to the file it stands in."""
    return os.path.join(folder, os.path.expanduser(location))

"""Packages from https URLs."""

from __future__ import annotations

import hashlib
import os
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from octo_ssh.errors import PackageError
from octo_ssh.packages.limits import Limits, human

if TYPE_CHECKING:
    import httpx

_REDIRECTS = 10
_CONNECT_S, _QUIET_S = 15.0, 60.0


def download(url: str, file: BinaryIO, limits: Limits) -> str:
    """Fetch ``url`` into ``file``; the sha256 of what came. Proxies and ``SSL_CERT_FILE`` as the environment says.

    Raises PackageError; the message never holds a password or query of the URL, which may be secret.
    """
    import httpx

    timeout = httpx.Timeout(_QUIET_S, connect=_CONNECT_S)
    try:
        with httpx.Client(verify=_trust(), timeout=timeout, follow_redirects=False) as client:
            response = _answer(client, url)
            try:
                return _receive(response, file, limits)
            finally:
                response.close()
    except httpx.TimeoutException:
        raise PackageError(f"{_shown(url)} does not answer", hint="look at the network and the proxy") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise PackageError(f"{_shown(url)} cannot be fetched: {error or type(error).__name__}") from None


def _answer(client: httpx.Client, url: str) -> httpx.Response:
    """The final answer, after redirects to other https addresses."""
    # As stored: a server that takes .gz for an encoding must not have it unpacked on the way.
    request = client.build_request("GET", url, headers={"Accept-Encoding": "identity"})
    for _ in range(_REDIRECTS):
        if request.url.scheme != "https":
            raise PackageError(f"{_shown(url)} leads to {_shown(str(request.url))}, which is not https")
        response = client.send(request, stream=True)
        following = response.next_request
        if following is None:
            break
        response.close()
        request = following
    else:
        raise PackageError(f"{_shown(url)} redirects more than {_REDIRECTS} times")
    if response.status_code != 200:
        response.close()
        where = "" if str(request.url) == url else f" (at {_shown(str(request.url))})"
        raise PackageError(f"{_shown(url)} answers {response.status_code} {response.reason_phrase}{where}")
    return response


def _receive(response: httpx.Response, file: BinaryIO, limits: Limits) -> str:
    digest, size, deadline = hashlib.sha256(), 0, time.monotonic() + limits.download_s
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > limits.download:
        raise PackageError(f"{_shown(str(response.url))} is larger than {human(limits.download)}")
    for chunk in response.iter_raw():
        size += len(chunk)
        if size > limits.download:
            raise PackageError(f"{_shown(str(response.url))} is larger than {human(limits.download)}")
        if time.monotonic() > deadline:
            raise PackageError(f"{_shown(str(response.url))} took longer than {limits.download_s:.0f} s")
        file.write(chunk)
        digest.update(chunk)
    return digest.hexdigest()


def _trust() -> ssl.SSLContext:
    """The system's certificate authorities, and those that Python programs bring along where it has none.

    OpenSSL itself honours SSL_CERT_FILE and SSL_CERT_DIR; where one is set, it alone counts.
    """
    context = ssl.create_default_context()
    if not os.environ.get("SSL_CERT_FILE") and not os.environ.get("SSL_CERT_DIR"):
        import certifi

        context.load_verify_locations(certifi.where())
    elif (given := os.environ.get("SSL_CERT_FILE")) and not Path(given).is_file():
        raise PackageError(f"SSL_CERT_FILE names {given}, which is not there")
    return context


def _shown(url: str) -> str:
    """The URL without user, password, query and fragment."""
    import httpx

    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return "the url"
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}{parsed.path}"

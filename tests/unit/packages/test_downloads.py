"""Packages from https: a real server on loopback with an authority of its own."""

from __future__ import annotations

import hashlib
import http.server
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from octo_ssh.errors import PackageError
from octo_ssh.packages.limits import DEFAULT_LIMITS
from tests.unit.packages.archives import COMPRESS, Shop, file, tar

DATA = COMPRESS["tar.gz"](tar(file("a", b"from afar")))
SHA256 = hashlib.sha256(DATA).hexdigest()
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Web:
    """A https server: answers by path, and what it was asked."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def send(body: bytes, *, status: int = 200, **headers: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-made authority's certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "octo-ssh tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def web(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append((self.path, dict(self.headers)))
            found.answers.get(self.path.split("?")[0], send(b"nothing here", status=404))(self)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    found = Web(f"https://127.0.0.1:{server.server_address[1]}")
    found.answers["/shop.tgz"] = send(DATA)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


def refused(shop: Shop, url: str, message: str, *, sha256: str | None = SHA256) -> None:
    with pytest.raises(PackageError, match=message) as caught:
        shop.url(url, sha256)
    assert "hunter2" not in str(caught.value)
    assert not (shop.cache / "packages").exists() or os.listdir(shop.cache / "packages") == []


def test_a_url_is_fetched_checked_and_unpacked_and_needs_no_network_again(shop: Shop, web: Web) -> None:
    package = shop.url(f"{web.url}/shop.tgz?token=hunter2", SHA256)
    assert (package.sha256, package.read("a")) == (SHA256, b"from afar")
    assert web.asked[0][1]["Accept-Encoding"] == "identity"
    assert shop.url("https://gone.invalid/shop.tgz", SHA256.upper()).read("a") == b"from afar"
    assert len(web.asked) == 1
    assert len(os.listdir(shop.cache / "packages")) == 1


def test_redirects_within_https_are_followed(shop: Shop, web: Web) -> None:
    web.answers["/latest"] = send(b"", status=302, Location="/shop.tgz")
    assert shop.url(f"{web.url}/latest", SHA256).read("a") == b"from afar"


def test_an_encoding_that_a_server_adds_by_itself_is_not_unpacked(shop: Shop, web: Web) -> None:
    web.answers["/shop.tgz"] = send(DATA, Content_Encoding="gzip")
    assert shop.url(f"{web.url}/shop.tgz", SHA256).read("a") == b"from afar"


def test_a_redirect_away_from_https_is_refused(shop: Shop, web: Web) -> None:
    web.answers["/latest"] = send(b"", status=301, Location="http://user:hunter2@127.0.0.1:1/shop.tgz?hunter2")
    refused(shop, f"{web.url}/latest", r"leads to http://127\.0\.0\.1:1/shop\.tgz, which is not https")


def test_redirects_in_circles_end(shop: Shop, web: Web) -> None:
    web.answers["/latest"] = send(b"", status=307, Location="/latest")
    refused(shop, f"{web.url}/latest", "redirects more than 10 times")


def test_other_content_is_refused_and_not_kept(shop: Shop, web: Web) -> None:
    web.answers["/shop.tgz"] = send(DATA + b"x")
    refused(shop, f"{web.url}/shop.tgz", f"has the sha256 [0-9a-f]{{64}}, the plan says {SHA256}")


def test_an_error_of_the_server_is_told_without_passwords(shop: Shop, web: Web) -> None:
    refused(
        shop,
        web.url.replace("//", "//user:hunter2@") + "/no?hunter2",
        r"https://127.0.0.1:\d+/no answers 404 Not Found",
    )


def test_a_download_that_breaks_off_is_an_error(shop: Shop, web: Web) -> None:
    web.answers["/shop.tgz"] = send(DATA[:50], Content_Length=str(len(DATA)))
    refused(shop, f"{web.url}/shop.tgz", "cannot be fetched")


def test_a_server_of_an_unknown_authority_is_refused(shop: Shop, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    refused(shop, f"{web.url}/shop.tgz", "cannot be fetched: .*certificate")


def test_a_certificate_file_that_is_not_there_is_named(shop: Shop, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    refused(shop, f"{web.url}/shop.tgz", "SSL_CERT_FILE names /nowhere/ca.pem")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://user:hunter2@example.net/x", "is not https"),
        ("ftp://example.net/x", "is not https"),
        ("https://127.0.0.1:1/x", "cannot be fetched"),
        ("https:///x", "cannot be fetched|is not"),
        ("https://[bad/x", "cannot be fetched"),
        ("shop.tgz", "is not https"),
        ("https://no-such-host.invalid/x", "cannot be fetched"),
    ],
)
def test_addresses_that_cannot_work_are_clear_errors(shop: Shop, url: str, message: str) -> None:
    refused(shop, url, message)


@pytest.mark.parametrize(("sha256", "message"), [(None, "needs its sha256"), ("../../x", "is not a sha256")])
def test_a_url_needs_a_digest(shop: Shop, sha256: str | None, message: str) -> None:
    refused(shop, "https://example.net/x", message, sha256=sha256)


def test_size_and_time_are_bounded(shop: Shop, web: Web) -> None:
    unsaid = send(DATA)
    web.answers["/unsaid"] = lambda handler: unsaid(handler)
    for limits, message in (
        (replace(DEFAULT_LIMITS, download=10), "larger than 10 bytes"),
        (replace(DEFAULT_LIMITS, download_s=-1.0), "took longer"),
    ):
        with pytest.raises(PackageError, match=message):
            shop.url(f"{web.url}/shop.tgz", SHA256, limits)


def test_a_proxy_of_the_environment_is_used(shop: Shop, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    refused(shop, f"{web.url}/shop.tgz", "cannot be fetched")
    assert web.asked == []

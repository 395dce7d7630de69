"""The one way out: which URLs are asked, and how much of an answer is taken."""

from __future__ import annotations

import datetime as dt
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, get_args

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bezant.fetch import FetchError, HTTPFetch, same_origin
from bezant.testing.issuer import FakeIssuer, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

METADATA = "/.well-known/oauth-authorization-server"


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as made:
        yield made


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://127.0.0.1.example.com/",
        "file:///etc/passwd",
        "ftp://id.example.com/",
        "data:application/json,{}",
        "gopher://127.0.0.1/",
        "https://",
        "https://user:password@id.example.com/",
        "https://id.example.com:x/",
        "https://id.example.com/\r\nx-injected: 1",
        "https://id.example.com/a b",
        "https://id.example.com/\u00fc",
        "//id.example.com/",
        "",
    ],
)
def test_k03_only_https_is_asked_and_plain_http_on_loopback(url: str) -> None:
    with pytest.raises(FetchError):
        HTTPFetch()("GET", url)


@pytest.mark.parametrize("fault", [f for f in get_args(Fault) if f not in {"error", "redirect"}])
def test_k02_no_answer_is_taken_in_part(issuer: FakeIssuer, fault: Fault) -> None:
    issuer.fail(fault)
    begun = time.monotonic()
    if fault in {"garbage", "empty"}:  # which are answers, if useless ones
        assert HTTPFetch()("GET", issuer.url + METADATA).status == 200
    else:
        with pytest.raises(FetchError):
            HTTPFetch()("GET", issuer.url + METADATA, timeout=0.5)
    assert time.monotonic() - begun < 3


def test_a_slow_answer_comes_when_the_issuer_has_recovered(issuer: FakeIssuer) -> None:
    issuer.fail("slow", METADATA)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(HTTPFetch(), "GET", issuer.url + METADATA, timeout=20.0)
        while not (issuer.count(METADATA) or asked.done()):
            time.sleep(0.01)
        assert not asked.done()
        issuer.recover()
        assert asked.result().status == 200


def test_who_waits_for_news_is_let_go_when_the_issuer_closes(issuer: FakeIssuer) -> None:
    feed = issuer.url + "/oauth/revocations"
    etag = HTTPFetch()("GET", feed).header("etag") or ""
    headers = (("if-none-match", etag),)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(HTTPFetch(), "GET", feed + "?wait=3", headers=headers, timeout=20.0)
        while issuer.count("/oauth/revocations") < 2 and not asked.done():
            time.sleep(0.01)
        begun = time.monotonic()
        issuer.close()
        with pytest.raises(FetchError):
            asked.result()
    assert time.monotonic() - begun < 1.5


def test_k02_a_redirect_is_not_followed(issuer: FakeIssuer) -> None:
    issuer.fail("redirect")
    assert HTTPFetch()("GET", issuer.url + METADATA).status == 302
    assert issuer.count(METADATA) == 1


def test_an_answer_over_the_limit_is_refused(issuer: FakeIssuer) -> None:
    size = len(HTTPFetch()("GET", issuer.url + METADATA).body)
    assert HTTPFetch(max_size=size)("GET", issuer.url + METADATA).status == 200
    with pytest.raises(FetchError, match=f"more than {size - 1} bytes"):
        HTTPFetch(max_size=size - 1)("GET", issuer.url + METADATA)


def test_an_error_tells_neither_query_nor_body() -> None:
    with pytest.raises(FetchError) as caught:
        HTTPFetch()("POST", "http://127.0.0.1:9/x?token=s3cret", body=b"token=s3cret", timeout=1)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://id.example.com/a", "https://id.example.com/b?c", True),
        ("https://id.example.com", "https://ID.example.com:443/", True),
        ("http://127.0.0.1", "http://127.0.0.1:80", True),
        ("https://id.example.com", "http://id.example.com", False),
        ("https://id.example.com", "https://id.example.com:8443", False),
        ("https://id.example.com", "https://id.example.com.evil.example", False),
        ("https://id.example.com", "https://id.example.com@evil.example/", False),
        ("https://id.example.com", "https://id.example.com:x/", False),
        ("https://id.example.com", "file:///etc/passwd", False),
    ],
)
def test_a12_what_one_origin_is(one: str, other: str, *, same: bool) -> None:
    assert same_origin(one, other) is same


# ---- TLS -------------------------------------------------------------------------------------


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The URL of a server, and the certificate that it has made for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = tmp_path / "certificate.pem", tmp_path / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None: ...

    class Quiet(HTTPServer):
        def handle_error(self, *_: object) -> None:
            """Whoever does not trust the certificate hangs up."""

    server = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_port}/", public
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_certificate_must_be_trusted(secure: tuple[str, Path]) -> None:
    with pytest.raises(FetchError, match=r"certificate|CERTIFICATE|SSL"):
        HTTPFetch()("GET", secure[0])


def test_a_private_authority_can_be_trusted(secure: tuple[str, Path]) -> None:
    url, certificate = secure
    fetch = HTTPFetch(tls=ssl.create_default_context(cafile=certificate))
    assert fetch("GET", url).body == b"hello"
    with pytest.raises(FetchError):  # the name is checked, too
        fetch("GET", url.replace("localhost", "127.0.0.1"))

"""Redirect URIs: equal to the character, but for the port of this very machine."""

from __future__ import annotations

import string
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant import Client
from bezant.errors import ConfigurationError
from bezant.redirects import MAX_LENGTH, is_plain, is_registered, problem_with

rfc = pytest.mark.rfc

REGISTERED = (
    "https://app.example.com/callback",
    "https://app.example.com/callback?tenant=1",
    "http://127.0.0.1/callback",
    "http://[::1]:8000/callback",
    "http://localhost:3000/callback",
    "com.example.app:/callback",
)
HOSTILE = "./\\@#?:;%&=[]\t\r\n\x00 \u3002\uff0f\u0430"


# ---- registration ----------------------------------------------------------------------------


@rfc("8252", "7.1")
@rfc("8252", "7.3")
@pytest.mark.parametrize(
    "uri",
    [
        *REGISTERED,
        "https://app.example.com",
        "https://app.example.com:8443/a/b?c=d&e=%20",
        "https://xn--exmple-cua.com/",
        "https://[2001:db8::1]/callback",
        "http://127.0.0.1:5000/",
        "http://127.8.8.8/",
        "net.example.app:callback",
        "com.example-app.x1://callback/",
        "https://a/" + "x" * (MAX_LENGTH - len("https://a/")),
    ],
)
def test_what_may_be_registered(uri: str) -> None:
    assert problem_with(uri) is None
    assert is_registered(uri, [uri])


@rfc("6749", "3.1.2")
@rfc("8252", "8.4")
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/callback",
        "//app.example.com/callback",
        "app.example.com/callback",
        "https:/app.example.com",
        "https://",
        "https:///callback",
        "https://app.example.com/#",
        "https://app.example.com/#fragment",
        "https://user@app.example.com/",
        "https://user:password@app.example.com/",
        "https://@app.example.com/",
        "https://app.example.com\\@evil.example/",
        "https://app.example.com/\r\nlocation: x",
        "https://app.example.com/\t",
        "https://app.example.com/ x",
        " https://app.example.com/",
        "https://app.example.com/\x00",
        "https://app.example.com/<script>",
        'https://app.example.com/"',
        "https://\u0430pp.example.com/",
        "https://app.example.com/\u00e9",
        "https://[" + ":" * 39 + "]/",
        "https://[::1/",
        "https://app.example.com:port/",
        "https://app.example.com:99999/",
        "http://app.example.com/",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://10.0.0.1/",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example.com/x",
        "about:blank",
        "myapp:/callback",
        "urn:ietf:wg:oauth:2.0:oob",
        "https://a/" + "x" * MAX_LENGTH,
    ],
    ids=lambda uri: ascii(uri)[1:40],
)
def test_a18_a02_what_may_not(uri: str) -> None:
    assert problem_with(uri) is not None
    for name in "redirect_uris", "post_logout_redirect_uris":
        with pytest.raises(ConfigurationError, match=name):
            Client("app", frozenset(), auth_method="none", **{name: (uri,)})


def test_a_client_of_the_code_flow_says_where_to_go_back_to() -> None:
    with pytest.raises(ConfigurationError, match="redirect URI"):
        Client("app", frozenset({"authorization_code"}), auth_method="none")
    with pytest.raises(ConfigurationError, match="not one string"):
        Client("app", frozenset(), auth_method="none", redirect_uris="https://app.example.com/")  # type: ignore[arg-type]


# ---- comparison ------------------------------------------------------------------------------


@rfc("8252", "7.3")
@pytest.mark.parametrize("port", [None, "1", "80", "08000", "8000", "65535"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_the_port_of_a_loopback_address_is_free(host: str, port: str | None) -> None:
    uri = f"http://{host}{'' if port is None else f':{port}'}/callback"
    assert is_registered(uri, REGISTERED)
    assert not is_registered(uri + "/", REGISTERED)
    assert not is_registered(uri + "?x", REGISTERED)
    assert not is_registered(uri.replace("http", "https"), REGISTERED)


@rfc("8252", "8.3")
@pytest.mark.parametrize("port", ["", ":80", ":3001", ":30000"])
def test_a03_localhost_is_a_name_like_any_other(port: str) -> None:
    assert is_registered("http://localhost:3000/callback", REGISTERED)
    assert not is_registered(f"http://localhost{port}/callback", REGISTERED)


@rfc("8252", "7.3")
def test_an_address_without_a_path_has_a_free_port_too() -> None:
    assert is_registered("http://127.0.0.1:9", ["http://127.0.0.1"])
    assert not is_registered("http://127.0.0.1:9/", ["http://127.0.0.1"])
    assert not is_registered("http://127.0.0.1:9@evil.example", ["http://127.0.0.1"])
    assert not is_registered("http://127.0.0.1:9\n/callback", ["http://127.0.0.1/callback"])


mangled = st.one_of(
    st.text(max_size=80),
    st.builds(
        lambda uri, at, extra, cut: (
            uri[: at % (len(uri) + 1)] + extra + uri[at % (len(uri) + 1) + cut :]
        ),
        st.sampled_from(REGISTERED),
        st.integers(0, 100),
        st.text(HOSTILE + string.ascii_letters + string.digits, max_size=12),
        st.integers(0, 5),
    ),
    st.sampled_from(REGISTERED),
    st.builds("http://127.0.0.1:{}/callback".format, st.text(string.digits + HOSTILE, max_size=7)),
)


@rfc("9700", "2.1")
@given(mangled)
def test_a02_a03_equal_or_this_machine_at_another_port(uri: str) -> None:
    """What is taken is registered, or leads, as a parser of URLs has it, to the loopback address
    and the path that are.
    """
    if not is_registered(uri, REGISTERED) or uri in REGISTERED:
        return
    assert is_plain(uri)
    asked = urlsplit(uri)
    assert asked.port is not None or ":" not in asked.netloc.rpartition("]")[2]
    same = [
        known
        for known in map(urlsplit, REGISTERED)
        if (known.scheme, known.hostname, known.path, known.query)
        == (asked.scheme, asked.hostname, asked.path, asked.query)
    ]
    assert len(same) == 1
    assert asked.scheme == "http"
    assert asked.hostname in {"127.0.0.1", "::1"}
    assert asked.username is None
    assert asked.fragment == ""


@given(st.integers(0, 99_999))
def test_a03_a_port_is_a_port(port: int) -> None:
    uri = f"http://127.0.0.1:{port}/callback"
    assert is_registered(uri, ["http://127.0.0.1/callback"]) == (port <= 65_535)


@given(mangled)
def test_a18_what_may_be_registered_is_a_header_that_splits_nothing(uri: str) -> None:
    if problem_with(uri) is None:
        assert uri.isascii()
        assert uri.isprintable()
        assert not set(uri) & set(' "<>\\^`{|}#')

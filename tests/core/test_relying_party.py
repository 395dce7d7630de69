"""Signing in at another issuer: what must work, and what an attacker or a bad provider may try."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, quote_plus, urlencode, urlsplit

import pytest

from bezant import (
    AuthorizationServer,
    Client,
    ClientSecret,
    ConfigurationError,
    HTTPFetch,
    Key,
    ServerConfig,
    User,
    run_sync,
)
from bezant.codes import Codes
from bezant.errors import StoreUnavailable
from bezant.fetch import FetchError
from bezant.http import Request, Response, json_response
from bezant.id_tokens import half_hash
from bezant.interactions import InteractionConfig
from bezant.keys import KeySet
from bezant.relying_party import MAX_WAITING, TTL, RelyingParty, new_browser_secret
from bezant.runtime import SYNC, Runtime, result
from bezant.sign_in import SignIn
from bezant.signing import encode, signed_claims
from bezant.stores.memory import MemoryCodeStore, MemoryStores, MemoryUserStore
from bezant.testing import FrozenClock, fixed_key
from bezant.testing.issuer import FakeIssuer
from bezant.upstream import (
    Identity,
    ProviderUnavailable,
    ResponseRefused,
    SignInDenied,
    SignInFailed,
    UpstreamProvider,
)
from tests.jose import b64
from tests.upstream import ALICE, ISSUER, Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLBACK = "https://app.example.com/login/with/org/callback"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def provider(clock: FrozenClock) -> Provider:
    return Provider(clock)


@pytest.fixture
def codes() -> Codes:
    return Codes(MemoryCodeStore())


@pytest.fixture
def make(provider: Provider, clock: FrozenClock, codes: Codes) -> Callable[..., RelyingParty]:
    def make(**settings: Any) -> RelyingParty:
        party = {name: settings.pop(name) for name in ("redirect_uri", "timer") if name in settings}
        usual = {"name": "org", "issuer": ISSUER, "client_id": "app", "client_secret": "s" * 20}
        return RelyingParty(
            UpstreamProvider(**{**usual, **settings}),
            codes,
            provider,
            clock=clock,
            **{"redirect_uri": CALLBACK, **party},
        )

    return make


@pytest.fixture
def party(make: Callable[..., RelyingParty]) -> RelyingParty:
    return make()


@pytest.fixture
def browser() -> str:
    return new_browser_secret()


def begun(party: RelyingParty, browser: str, provider: Provider, **options: Any) -> dict[str, str]:
    """Begin; returns the authorization request, which the provider's code is then for."""
    url = run_sync(party.begin(browser, SYNC, **options))
    provider.request = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
    return provider.request


def back(request: dict[str, str], **changes: str | None) -> str:
    """The query string that the browser comes back with."""
    answer: dict[str, str | None] = {
        "code": "upstream-code",
        "state": request["state"],
        "iss": ISSUER,
        **changes,
    }
    return urlencode({name: value for name, value in answer.items() if value is not None})


def finish(party: RelyingParty, query: str, browser: str) -> tuple[Identity, dict[str, Any]]:
    return run_sync(party.finish(query, browser, SYNC))


def refused(
    party: RelyingParty,
    provider: Provider,
    browser: str,
    kind: type[SignInFailed] = ResponseRefused,
    **changes: str | None,
) -> SignInFailed:
    """Begin, come back, and be refused."""
    query = back(begun(party, browser, provider), **changes)
    with pytest.raises(kind) as caught:
        finish(party, query, browser)
    assert type(caught.value) is kind
    return caught.value


# ---- what must work --------------------------------------------------------------------------


def test_somebody_signs_in(party: RelyingParty, provider: Provider, browser: str) -> None:
    request = begun(party, browser, provider, note={"interaction": "i1"}, login_hint="alice")
    assert request.pop("state") != begun(party, browser, provider)["state"]
    provider.request = dict(request)
    del request["nonce"], request["code_challenge"]
    assert request == {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": CALLBACK,
        "scope": "openid email profile",
        "code_challenge_method": "S256",
        "login_hint": "alice",
    }

    request = begun(party, browser, provider, note={"interaction": "i1"})
    identity, note = finish(party, back(request), browser)
    assert (identity.issuer, identity.subject) == (ISSUER, ALICE)
    assert identity.claims["name"] == "Alice"
    assert identity.email == "alice@example.org"
    assert not identity.email_verified
    assert note == {"interaction": "i1"}
    assert provider.form["grant_type"] == "authorization_code"
    assert provider.headers["accept"] == "application/json"


@pytest.mark.rfc("6749", "2.3.1")
def test_the_client_authenticates_with_form_encoded_basic(
    make: Callable[..., RelyingParty], provider: Provider, browser: str
) -> None:
    party = make(client_id="an app", client_secret="100%: secret+äß")
    provider.claims = {"aud": "an app"}
    finish(party, back(begun(party, browser, provider)), browser)
    pair = f"{quote_plus('an app')}:{quote_plus('100%: secret+äß')}"
    assert provider.headers["authorization"] == (
        "Basic " + base64.b64encode(pair.encode()).decode()
    )
    assert "client_id" not in provider.form


def test_the_client_authenticates_in_the_body_or_not_at_all(
    make: Callable[..., RelyingParty], provider: Provider, browser: str
) -> None:
    party = make(auth_method="client_secret_post")
    finish(party, back(begun(party, browser, provider)), browser)
    assert (provider.form["client_id"], provider.form["client_secret"]) == ("app", "s" * 20)
    assert "authorization" not in provider.headers

    party = make(client_secret=None)
    finish(party, back(begun(party, browser, provider)), browser)
    assert provider.form["client_id"] == "app"
    assert "client_secret" not in provider.form


def test_the_client_authenticates_with_a_key(
    make: Callable[..., RelyingParty], provider: Provider, browser: str, clock: FrozenClock
) -> None:
    key = fixed_key("ES256")
    party = make(client_secret=None, client_key=key)
    seen = set()
    for _ in range(2):
        finish(party, back(begun(party, browser, provider)), browser)
        assert provider.form["client_assertion_type"].endswith(":jwt-bearer")
        claims, _key = signed_claims(
            provider.form["client_assertion"], "jwt", KeySet([key]), max_size=4096
        )
        seen.add(claims.pop("jti"))
        now = int(clock())
        # The issuer, and nothing that a lying document could choose.
        assert claims == {"iss": "app", "sub": "app", "aud": ISSUER, "iat": now, "exp": now + 60}
    assert len(seen) == 2


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_id_tokens_are_taken_as_the_providers_keys_say(
    party: RelyingParty, provider: Provider, browser: str, algorithm: str
) -> None:
    provider.key = fixed_key(algorithm)
    provider.jwks = {"keys": [provider.key.public_jwk()]}
    request = begun(party, browser, provider)
    provider.claims = {
        "at_hash": half_hash("upstream-access-token", algorithm),
        "c_hash": half_hash("upstream-code", algorithm),
        "s_hash": half_hash(request["state"], algorithm),
        "aud": ["app", "another"],
        "azp": "app",
    }
    assert finish(party, back(request), browser)[0].subject == ALICE


def test_an_id_token_may_leave_typ_out(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    def untyped(claims: dict[str, Any]) -> str:
        header = b64(json.dumps({"alg": "RS256", "kid": provider.key.kid}).encode())
        message = f"{header}.{b64(json.dumps(claims).encode())}"
        return f"{message}.{b64(provider.key.sign(message.encode()))}"

    provider.id_token = untyped
    assert finish(party, back(begun(party, browser, provider)), browser)[0].subject == ALICE


@pytest.mark.parametrize("issuer", [f"{ISSUER}/", f"{ISSUER}/tenant", f"{ISSUER}/tenant/"])
def test_j21_an_issuer_ends_as_it_likes_and_is_compared_as_a_string(
    make: Callable[..., RelyingParty], provider: Provider, browser: str, issuer: str
) -> None:
    path = urlsplit(issuer).path.rstrip("/")
    provider.metadata["issuer"] = issuer
    provider.answers[f"{path}/.well-known/openid-configuration"] = json_response(
        200, provider.metadata
    )
    provider.claims = {"iss": issuer}
    party = make(issuer=issuer)
    request = begun(party, browser, provider)
    assert finish(party, back(request, iss=issuer), browser)[0].issuer == issuer
    assert provider.asked[:2] == [
        f"/.well-known/oauth-authorization-server{path}",
        f"{path}/.well-known/openid-configuration",
    ]
    refused(party, provider, browser, iss=ISSUER)
    provider.claims = {"iss": ISSUER}
    refused(party, provider, browser, iss=issuer)


def test_a_new_key_of_the_provider_is_found(
    make: Callable[..., RelyingParty], provider: Provider, browser: str
) -> None:
    now = [0.0]
    party = make(timer=lambda: now[0])
    finish(party, back(begun(party, browser, provider)), browser)
    finish(party, back(begun(party, browser, provider)), browser)
    assert provider.asked.count("/keys") == 1

    now[0] += 11
    provider.key = Key.generate("ES256")
    provider.jwks = {"keys": [provider.key.public_jwk()]}
    finish(party, back(begun(party, browser, provider)), browser)
    assert provider.asked.count("/keys") == 2

    # Tokens with made-up keys do not make it ask again and again.
    provider.key = Key.generate("ES256")
    for _ in range(3):
        refused(party, provider, browser)
    assert provider.asked.count("/keys") == 2


def test_a_key_that_was_withdrawn_is_forgotten(
    make: Callable[..., RelyingParty], provider: Provider, browser: str
) -> None:
    now = [0.0]
    party = make(timer=lambda: now[0])
    finish(party, back(begun(party, browser, provider)), browser)
    provider.jwks = {"keys": [fixed_key("ES256").public_jwk()]}
    now[0] += 3601
    refused(party, provider, browser)


def test_two_tabs_of_one_browser_sign_in(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    first = begun(party, browser, provider, note={"tab": 1})
    second = begun(party, browser, provider, note={"tab": 2})
    assert first["nonce"] != second["nonce"]
    assert first["code_challenge"] != second["code_challenge"]
    assert finish(party, back(second), browser)[1] == {"tab": 2}
    provider.request = first
    assert finish(party, back(first), browser)[1] == {"tab": 1}


def test_oauth2_without_openid_connect(
    make: Callable[..., RelyingParty], provider: Provider, browser: str
) -> None:
    party = make(
        openid=False,
        scopes=("read:user",),
        authorize_url=f"{ISSUER}/oauth/authorize?display=page",
        token_url=f"{ISSUER}/token",
        userinfo_url=f"{ISSUER}/userinfo",
        subject_claim="id",
        parameters={"allow_signup": "false"},
    )
    provider.tokens = {"id_token": None}
    provider.userinfo = {"id": 583231, "login": "octocat", "email": "o@example.org"}
    request = begun(party, browser, provider)
    assert "nonce" not in request
    assert request["display"] == "page"
    assert request["allow_signup"] == "false"
    identity, _ = finish(party, back(request, iss=None), browser)
    assert (identity.issuer, identity.subject) == (ISSUER, "583231")
    assert "/.well-known/openid-configuration" not in provider.asked


@pytest.mark.parametrize("subject", [None, "", True, 1.5, [1], "x" * 256, "a\nb"])
def test_a_provider_that_names_nobody_signs_nobody_in(
    make: Callable[..., RelyingParty], provider: Provider, browser: str, subject: Any
) -> None:
    party = make(
        openid=False,
        scopes=(),
        authorize_url=f"{ISSUER}/authorize",
        token_url=f"{ISSUER}/token",
        userinfo_url=f"{ISSUER}/userinfo",
        subject_claim="id",
    )
    provider.userinfo = {"id": subject, "sub": "somebody"}
    refused(party, provider, browser, iss=None)


def test_a_bezant_signs_people_in_for_another(clock: FrozenClock, browser: str) -> None:
    upstream = AuthorizationServer(
        ServerConfig(issuer=ISSUER),
        stores=MemoryStores(
            [
                Client(
                    "app",
                    frozenset({"authorization_code"}),
                    ("openid", "email", "profile"),
                    secrets=(ClientSecret.of("s" * 20),),
                    redirect_uris=(CALLBACK,),
                    first_party=True,
                )
            ]
        ),
        secret_key="0123456789abcdefghijklmnopqrstuvwxyz",
        users=MemoryUserStore(
            [User("1", "alice", profile={"email": "a@example.org", "email_verified": True})]
        ),
        interaction=InteractionConfig(
            login_url="/login",
            consent_url="/consent",
            sign_in=lambda _: SignIn("1", clock(), "session"),
        ),
        clock=clock,
    )
    run_sync(upstream.prepare(SYNC))
    handlers = {ISSUER + endpoint.path: endpoint.handler for endpoint in upstream.endpoints}

    def fetch(
        method: str,
        url: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        timeout: float = 3.0,
    ) -> Response:
        place, _, query = url.partition("?")
        return run_sync(handlers[place](Request(method, headers, body or b"", query=query), SYNC))

    party = RelyingParty(
        UpstreamProvider(name="org", issuer=ISSUER, client_id="app", client_secret="s" * 20),
        Codes(MemoryCodeStore()),
        fetch,
        redirect_uri=CALLBACK,
        clock=clock,
    )
    url = run_sync(party.begin(browser, SYNC, max_age=60))
    answer = fetch("GET", url)
    assert answer.status == 303
    location = answer.header("location")
    assert location is not None
    assert location.startswith(CALLBACK + "?")
    identity, _ = finish(party, urlsplit(location).query, browser)
    assert identity.subject == "1"
    assert identity.email == "a@example.org"
    assert identity.email_verified
    assert identity.auth_time == clock()
    assert set(run_sync(party.check(SYNC))) == {
        *("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
    }


def test_the_code_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider(time.time)
    monkeypatch.setenv("ACME_SECRET", "s" * 20)
    monkeypatch.setattr("bezant.HTTPFetch", lambda: provider)
    snippet = Path(__file__).parents[2] / "docs" / "snippets" / "relying_party.py"
    code = snippet.read_text(encoding="utf-8").replace("https://id.example.com", ISSUER)
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(code, str(snippet), "exec"), names)
    url, browser = names["sign_in"]({})
    provider.request = dict(parse_qsl(urlsplit(url).query))
    provider.claims = {"aud": "shop"}
    with pytest.raises(ResponseRefused):
        names["callback"](back(provider.request), {})
    url, browser = names["sign_in"]({"__Host-acme": browser})
    provider.request = dict(parse_qsl(urlsplit(url).query))
    who, onward = names["callback"](back(provider.request), {"__Host-acme": browser})
    assert (who, onward) == ((ISSUER, ALICE), "/basket")


# ---- state: this browser, this provider, once --------------------------------------------------


def test_a11_a_state_from_another_browser_is_refused(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    for other in (new_browser_secret(), ""):
        query = back(begun(party, browser, provider))
        with pytest.raises(ResponseRefused, match="cookies") as caught:
            finish(party, query, other)
        assert caught.value.note == {}
        assert "/token" not in provider.asked
        with pytest.raises(ResponseRefused):  # and it is spent
            finish(party, query, browser)


def test_a11_a_state_is_good_once(party: RelyingParty, provider: Provider, browser: str) -> None:
    query = back(begun(party, browser, provider))
    finish(party, query, browser)
    asked = len(provider.asked)
    with pytest.raises(ResponseRefused) as caught:
        finish(party, query, browser)
    assert caught.value.detail == "the state was used before"
    assert len(provider.asked) == asked


def test_a11_a_state_expires(
    party: RelyingParty, provider: Provider, browser: str, clock: FrozenClock
) -> None:
    query = back(begun(party, browser, provider))
    clock.advance(TTL + 1)
    with pytest.raises(ResponseRefused, match="too long"):
        finish(party, query, browser)


@pytest.mark.parametrize("state", [None, "", "x", "é", "s" * 200])
def test_a11_a_state_that_nobody_made_is_refused(
    party: RelyingParty, provider: Provider, browser: str, state: str | None
) -> None:
    refused(party, provider, browser, state=state)
    assert "/token" not in provider.asked


def test_a11_states_and_what_hangs_on_them_cannot_be_predicted(
    party: RelyingParty, provider: Provider, browser: str, codes: Codes
) -> None:
    requests = [begun(party, browser, provider) for _ in range(20)]
    for name in ("state", "nonce", "code_challenge"):
        assert len({request[name] for request in requests}) == 20
        assert all(len(request[name]) == 43 for request in requests)
    # Neither the store nor the URL holds what redeems the code.
    request = requests[-1]
    finish(party, back(request), browser)
    verifier = provider.form["code_verifier"]
    kept = repr(vars(codes.store)) + run_sync(_kept(codes, request["state"]))
    for text in (kept, repr(request)):
        assert verifier not in text
        assert browser not in text


async def _kept(codes: Codes, state: str) -> str:
    return json.dumps(await codes.peek("state", state, 0.0, SYNC))


def test_a11_a_store_that_is_away_signs_nobody_in(
    party: RelyingParty,
    provider: Provider,
    browser: str,
    codes: Codes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query = back(begun(party, browser, provider))

    def broken(*_: Any) -> Any:
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(codes.store, "take", broken)
    with pytest.raises(StoreUnavailable):
        finish(party, query, browser)


def test_a_browser_without_a_secret_begins_nothing(party: RelyingParty) -> None:
    for browser in ("", "short"):
        with pytest.raises(ConfigurationError, match="browser"):
            run_sync(party.begin(browser, SYNC))


@pytest.mark.parametrize(
    "query",
    [
        "state={state}&state={state}&code=upstream-code",
        "state={state}&code=upstream-code&code=another",
        "state={state}&code=%zz",
        "state={state}&code=%ff",
        "&".join(f"p{n}=1" for n in range(200)),
    ],
)
def test_an_answer_that_can_be_read_in_two_ways_is_refused(
    party: RelyingParty, provider: Provider, browser: str, query: str
) -> None:
    request = begun(party, browser, provider)
    with pytest.raises(ResponseRefused):
        finish(party, query.format(**request), browser)
    assert "/token" not in provider.asked


# ---- codes and tokens of somebody else ---------------------------------------------------------


def test_a10_a_code_of_another_session_is_refused_by_pkce(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    victims = begun(party, new_browser_secret(), provider)
    attackers = back(begun(party, browser, provider))
    provider.request = victims  # whose code it is
    with pytest.raises(ResponseRefused) as caught:
        finish(party, attackers, browser)
    assert "invalid_grant" in caught.value.detail


def test_a10_a_code_of_another_session_is_refused_by_nonce(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    """At a provider that does not look at PKCE."""
    victims = begun(party, new_browser_secret(), provider)
    provider.claims = {"nonce": victims["nonce"]}
    assert refused(party, provider, browser).detail == "ID token: nonce is another sign-in's"


@pytest.mark.parametrize("nonce", [None, "", "x", 1, ["{nonce}"], "é"])
def test_j30_a_nonce_that_is_not_the_one_sent_is_refused(
    party: RelyingParty, provider: Provider, browser: str, nonce: Any
) -> None:
    provider.claims = {"nonce": nonce, "nonce_supported": False}
    assert "nonce" in refused(party, provider, browser).detail


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": ["another", "more"]},
        {"aud": []},
        {"aud": None},
        {"aud": ["app", "another"]},
        {"aud": ["app", "another"], "azp": "another"},
        {"azp": "another"},
        {"azp": ["app"]},
    ],
)
def test_an_id_token_of_another_client_is_refused(
    party: RelyingParty, provider: Provider, browser: str, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    assert refused(party, provider, browser).detail.startswith("ID token: ")


@pytest.mark.parametrize(
    "issuer",
    [
        f"{ISSUER}/",
        ISSUER.upper(),
        ISSUER[:-1],
        f"{ISSUER}.evil.example",
        [ISSUER],
        None,
        "",
        "https://other.example.org",
    ],
)
def test_j21_j24_an_id_token_of_another_issuer_is_refused(
    party: RelyingParty, provider: Provider, browser: str, issuer: Any
) -> None:
    """Though its key is the provider's: two issuers may share one."""
    provider.claims = {"iss": issuer}
    assert "iss" in refused(party, provider, browser).detail


@pytest.mark.parametrize("name", ["at_hash", "c_hash", "s_hash"])
@pytest.mark.parametrize("value", ["", "x", 1, None, ["x"], half_hash("another", "RS256")])
def test_j29_a_hash_of_something_else_is_refused(
    party: RelyingParty, provider: Provider, browser: str, name: str, value: Any
) -> None:
    def with_hash(claims: dict[str, Any]) -> str:
        return encode(provider.key, "JWT", {**claims, name: value})

    provider.id_token = with_hash
    assert name in refused(party, provider, browser).detail


def test_j29_the_hash_is_the_one_of_the_signatures_algorithm(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    provider.key = fixed_key("EdDSA")
    provider.jwks = {"keys": [provider.key.public_jwk()]}
    provider.claims = {"at_hash": half_hash("upstream-access-token", "RS256")}
    assert "at_hash" in refused(party, provider, browser).detail


def test_j01_j02_unsigned_and_symmetric_id_tokens_are_refused(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    public = json.dumps(provider.key.public_jwk()).encode()
    for algorithm, signature in (
        ("none", lambda _: b""),
        ("None", lambda _: b""),
        ("HS256", Key("HS256", public, public).sign),
        ("RS256", lambda _: b"\0" * 256),
    ):

        def forged(
            claims: dict[str, Any], algorithm: str = algorithm, sign: Any = signature
        ) -> str:
            header = json.dumps({"alg": algorithm, "kid": provider.key.kid, "typ": "JWT"}).encode()
            message = f"{b64(header)}.{b64(json.dumps(claims).encode())}"
            return f"{message}.{b64(sign(message.encode()))}"

        provider.id_token = forged
        assert refused(party, provider, browser).detail.startswith("ID token: ")


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "secevent+jwt"])
def test_another_kind_of_token_is_no_id_token(
    party: RelyingParty, provider: Provider, browser: str, typ: str
) -> None:
    provider.id_token = lambda claims: encode(provider.key, typ, claims)
    assert refused(party, provider, browser).detail == "ID token: wrong typ"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1_799_999_980},
        {"exp": None},
        {"iat": None},
        {"iat": 1_800_000_060},
        {"nbf": 1_800_000_060},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"sub": "x" * 256},
    ],
)
def test_an_id_token_that_is_too_old_or_names_nobody_is_refused(
    make: Callable[..., RelyingParty], provider: Provider, browser: str, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    refused(make(userinfo=False), provider, browser)


@pytest.mark.parametrize(
    "tokens",
    [
        {"id_token": None},
        {"id_token": 7},
        {"id_token": "not a token"},
        {"access_token": None},
        {"access_token": "two\r\nlines"},
        {"token_type": None},
        {"token_type": "DPoP"},
        {"error": "bad_verification_code"},
    ],
)
def test_an_answer_without_the_tokens_is_refused(
    party: RelyingParty, provider: Provider, browser: str, tokens: dict[str, Any]
) -> None:
    provider.tokens = tokens
    refused(party, provider, browser)


# ---- mix-up, lying documents -------------------------------------------------------------------


@pytest.mark.rfc("9207", "2.4")
def test_mix_up_an_answer_of_another_issuer_is_refused(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    for issuer in ("https://attacker.example", f"{ISSUER}/", ISSUER.upper()):
        refused(party, provider, browser, iss=issuer)
        refused(party, provider, browser, iss=issuer, code=None, error="access_denied")
    assert "/token" not in provider.asked


@pytest.mark.rfc("9207", "2.4")
def test_mix_up_iss_may_be_missing_only_where_the_provider_does_not_send_it(
    make: Callable[..., RelyingParty], provider: Provider, browser: str
) -> None:
    assert refused(make(), provider, browser, iss=None).detail == "iss is missing from the answer"
    del provider.metadata["authorization_response_iss_parameter_supported"]
    party = make()
    assert finish(party, back(begun(party, browser, provider), iss=None), browser)


def test_mix_up_an_answer_is_for_the_provider_that_was_asked(
    party: RelyingParty, provider: Provider, browser: str, make: Callable[..., RelyingParty]
) -> None:
    other = make(name="other", issuer="https://attacker.example", redirect_uri=f"{CALLBACK}2")
    query = back(begun(party, browser, provider), iss=None)
    with pytest.raises(ResponseRefused) as caught:
        finish(other, query, browser)
    assert "another provider" in caught.value.detail
    assert "/token" not in provider.asked


def test_a12_a_document_of_another_issuer_is_not_believed(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    provider.metadata["issuer"] = "https://attacker.example"
    with pytest.raises(ProviderUnavailable) as caught:
        begun(party, browser, provider)
    assert "another issuer" in caught.value.detail


@pytest.mark.parametrize(
    "name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"]
)
def test_a12_foreign_endpoints_are_not_followed(
    party: RelyingParty, provider: Provider, browser: str, name: str
) -> None:
    provider.metadata[name] = "https://attacker.example/x"
    with pytest.raises(ProviderUnavailable) as caught:
        finish(party, back(begun(party, browser, provider)), browser)
    assert name in caught.value.detail
    assert "/x" not in provider.asked


def test_a12_foreign_endpoints_are_followed_when_settings_name_them(
    make: Callable[..., RelyingParty], provider: Provider, browser: str
) -> None:
    for name in ("token_endpoint", "jwks_uri", "userinfo_endpoint"):
        provider.metadata[name] = f"https://attacker.example/{name}"
    party = make(
        token_url="https://tokens.example.net/token",
        jwks_url="https://keys.example.net/keys",
        userinfo_url="https://api.example.net/userinfo",
    )
    finish(party, back(begun(party, browser, provider)), browser)
    assert provider.asked[-3:] == ["/token", "/keys", "/userinfo"]


# ---- UserInfo ----------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["mallory", None, ALICE.upper(), [ALICE]])
def test_userinfo_about_somebody_else_is_refused(
    party: RelyingParty, provider: Provider, browser: str, subject: Any
) -> None:
    provider.userinfo = {"sub": subject, "email": "mallory@example.org"}
    assert refused(party, provider, browser).detail == "UserInfo is about somebody else"


def test_the_id_token_goes_before_userinfo(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    provider.userinfo = {"sub": ALICE, "name": "Mallory", "iss": "x", "locale": "de"}
    claims = finish(party, back(begun(party, browser, provider)), browser)[0].claims
    assert (claims["name"], claims["iss"], claims["locale"]) == ("Alice", ISSUER, "de")


@pytest.mark.parametrize(
    ("in_token", "at_userinfo", "email", "verified"),
    [
        ({"email": "a@x.example"}, {"email_verified": True}, "a@x.example", False),
        ({"email_verified": True}, {"email": "m@x.example"}, "m@x.example", False),
        ({}, {"email": "a@x.example", "email_verified": True}, "a@x.example", True),
        ({"email": "a@x.example", "email_verified": True}, {}, "a@x.example", True),
        ({"email": "a@x.example", "email_verified": "true"}, {}, "a@x.example", False),
        ({"email": "a@x.example", "email_verified": 1}, {}, "a@x.example", False),
        ({"email_verified": True}, {}, None, False),
        ({"email": ["a@x.example"], "email_verified": True}, {}, None, False),
    ],
)
def test_an_address_is_verified_only_where_it_stands(
    party: RelyingParty,
    provider: Provider,
    browser: str,
    in_token: dict[str, Any],
    at_userinfo: dict[str, Any],
    email: str | None,
    verified: bool,
) -> None:
    provider.claims = in_token
    provider.userinfo = {"sub": ALICE, **at_userinfo}
    identity, _ = finish(party, back(begun(party, browser, provider)), browser)
    assert (identity.email, identity.email_verified) == (email, verified)


def test_userinfo_is_left_alone_when_settings_say_so(
    make: Callable[..., RelyingParty], provider: Provider, browser: str
) -> None:
    party = make(userinfo=False)
    finish(party, back(begun(party, browser, provider)), browser)
    assert "/userinfo" not in provider.asked


# ---- how fresh ---------------------------------------------------------------------------------


def test_a_fresh_sign_in_is_asked_for_and_proven(
    party: RelyingParty, provider: Provider, browser: str, clock: FrozenClock
) -> None:
    request = begun(party, browser, provider, max_age=0)
    assert (request["max_age"], request["prompt"]) == ("0", "login")
    assert begun(party, browser, provider, select_account=True)["prompt"] == "select_account"
    provider.request = request
    clock.advance(30)
    provider.claims = {"auth_time": int(clock()) - 5}
    identity, _ = finish(party, back(request), browser)
    assert identity.auth_time == clock() - 5

    for auth_time in (int(clock()) - 60, None, True, "now"):
        provider.claims = {"auth_time": auth_time}
        request = begun(party, browser, provider, max_age=0)
        with pytest.raises(ResponseRefused):
            finish(party, back(request), browser)
    provider.claims = {"auth_time": int(clock()) - 60}
    assert finish(party, back(begun(party, browser, provider, max_age=60)), browser)


def test_oauth2_alone_proves_no_fresh_sign_in(
    make: Callable[..., RelyingParty], provider: Provider, browser: str
) -> None:
    party = make(
        openid=False,
        scopes=(),
        authorize_url=f"{ISSUER}/authorize",
        token_url=f"{ISSUER}/token",
        userinfo_url=f"{ISSUER}/userinfo",
    )
    request = begun(party, browser, provider, max_age=0)
    provider.userinfo["auth_time"] = 1_800_000_000
    with pytest.raises(ResponseRefused, match="fresh"):
        finish(party, back(request), browser)


# ---- saying no, and being away -----------------------------------------------------------------


def test_an_error_of_the_provider_ends_the_sign_in(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    request = begun(party, browser, provider, note={"interaction": "i1"})
    query = back(
        request, code=None, error="access_denied<script>", error_description="<b>Call us</b>"
    )
    with pytest.raises(SignInDenied) as caught:
        finish(party, query, browser)
    assert caught.value.note == {"interaction": "i1"}
    assert "Call" not in f"{caught.value} {caught.value.detail} {caught.value.description}"
    assert "script" not in caught.value.description
    with pytest.raises(ResponseRefused):
        finish(party, query, browser)


def test_l02_an_error_of_the_provider_forges_no_line_of_the_log(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    error = refused(
        party,
        provider,
        browser,
        SignInDenied,
        code=None,
        error="no\nLoginSucceeded\u202e" + "x" * 99,
    )
    assert error.detail.isprintable()
    assert len(error.detail) < 80


@pytest.mark.parametrize("value", [None, True, "1800000000", -1, 1e300, [1]])
def test_a_time_that_is_none_is_not_told(value: Any) -> None:
    assert Identity(ISSUER, ALICE, {"auth_time": value}).auth_time is None


def test_an_answer_with_neither_code_nor_error_is_refused(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    refused(party, provider, browser, code=None)


@pytest.mark.parametrize("path", ["/token", "/userinfo"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Response(500, (), b"{}"), ProviderUnavailable),
        (Response(302, (("location", f"{ISSUER}/token2"),), b""), ProviderUnavailable),
        (Response(200, (), b"<h1>Hello"), ProviderUnavailable),
        (Response(401, (), b"no"), ResponseRefused),
    ],
)
def test_a_provider_that_answers_badly_signs_nobody_in(
    party: RelyingParty,
    provider: Provider,
    browser: str,
    path: str,
    answer: Response,
    kind: type[SignInFailed],
) -> None:
    provider.answers[path] = answer
    refused(party, provider, browser, kind)
    assert "/token2" not in provider.asked


def test_keys_that_cannot_be_used_sign_nobody_in(
    party: RelyingParty, provider: Provider, browser: str
) -> None:
    provider.jwks = {"keys": [{"kty": "oct", "k": "A" * 43}]}
    refused(party, provider, browser, ProviderUnavailable)


def test_failures_tell_no_secrets(party: RelyingParty, provider: Provider, browser: str) -> None:
    provider.tokens = {"id_token": "a-secret.id.token"}
    request = begun(party, browser, provider)
    with pytest.raises(SignInFailed) as caught:
        finish(party, back(request), browser)
    told = f"{caught.value!r} {caught.value.detail} {party.provider!r} {caught.value.__dict__}"
    for secret in (
        *("upstream-code", "upstream-access-token", "a-secret", "s" * 20),
        *(browser, request["state"], request["nonce"]),
    ):
        assert secret not in told
    identity = Identity(ISSUER, ALICE, {"email": "alice@example.org"})
    assert "example.org'}" not in repr(identity)


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as made:
        for path in (
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
        ):
            made.answers[path] = json_response(
                200,
                {
                    "issuer": made.url,
                    "authorization_endpoint": f"{made.url}/authorize",
                    "token_endpoint": f"{made.url}/oauth/token",
                    "jwks_uri": f"{made.url}/oauth/jwks.json",
                },
            )
        yield made


@pytest.mark.parametrize(
    "fault",
    ["down", "error", "slow", "dripping", "garbage", "empty", "truncated", "huge", "redirect"],
)
@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-authorization-server", "/oauth/token", "/oauth/jwks.json"]
)
def test_a_provider_that_is_broken_signs_nobody_in(
    issuer: FakeIssuer, browser: str, fault: Any, path: str
) -> None:
    timeout = 1.0 if fault in {"slow", "dripping"} else 3.0
    party = RelyingParty(
        UpstreamProvider(name="org", issuer=issuer.url, client_id="app"),
        Codes(MemoryCodeStore()),
        HTTPFetch(max_size=65536),
        redirect_uri=CALLBACK,
        timeout=timeout,
    )
    issuer.answers["/oauth/token"] = json_response(
        200, {"access_token": "a", "token_type": "Bearer", "id_token": issuer.mint(typ="JWT")}
    )
    issuer.fail(fault, path)
    before = issuer.count(path)

    def sign_in() -> None:
        url = run_sync(party.begin(browser, SYNC))
        state = parse_qs(urlsplit(url).query)["state"][0]
        finish(party, urlencode({"code": "c", "state": state}), browser)

    with pytest.raises(ProviderUnavailable) as caught:
        sign_in()
    assert issuer.count(path) == before + 1  # neither followed nor tried again
    assert caught.value.description == ProviderUnavailable.default


def test_a_provider_that_is_away_is_left_alone_for_a_while(
    make: Callable[..., RelyingParty],
    provider: Provider,
    browser: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def away(self: Provider, method: str, url: str, **_: Any) -> Response:
        asked.append(url)
        raise FetchError("no answer")

    now = [0.0]
    party = make(timer=lambda: now[0])
    with monkeypatch.context() as patched:
        patched.setattr(Provider, "__call__", away)
        for _ in range(20):
            with pytest.raises(ProviderUnavailable):
                run_sync(party.begin(browser, SYNC))
        assert len(asked) == 5
    now[0] += 60
    assert run_sync(party.begin(browser, SYNC)).startswith(ISSUER)


def test_a_slow_provider_does_not_keep_all_threads(clock: FrozenClock, browser: str) -> None:
    all_wait, go = Barrier(MAX_WAITING + 1), Event()

    def slow(method: str, url: str, **_: Any) -> Response:
        go.wait(10)
        raise FetchError("too slow")

    async def after_all(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        all_wait.wait(10)
        return function(*args, **kwargs)

    party = RelyingParty(
        UpstreamProvider(name="org", issuer=ISSUER, client_id="app"),
        Codes(MemoryCodeStore()),
        slow,
        redirect_uri=CALLBACK,
        clock=clock,
    )

    def begin(runtime: Runtime) -> str:
        with pytest.raises(ProviderUnavailable) as caught:
            run_sync(party.begin(browser, runtime))
        return caught.value.detail

    together = Runtime(io=after_all, wait=result, loop=False)
    with ThreadPoolExecutor(MAX_WAITING) as threads:
        waiting = [threads.submit(begin, together) for _ in range(MAX_WAITING)]
        all_wait.wait(10)
        assert begin(SYNC) == f"{MAX_WAITING} sign-ins wait for it already"
        go.set()
        assert all("sign-ins wait" not in done.result(10) for done in waiting)
    assert "sign-ins wait" not in begin(SYNC)


# ---- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"name": "Org"}, "name"),
        ({"name": "../x"}, "name"),
        ({"name": ""}, "name"),
        ({"issuer": "http://login.example.org"}, "issuer"),
        ({"client_id": ""}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"client_secret": None, "auth_method": "client_secret_post"}, "client_secret"),
        ({"auth_method": "none"}, "client_secret"),
        ({"auth_method": "client_secret_jwt"}, "auth_method"),
        ({"client_secret": None, "auth_method": "private_key_jwt"}, "client_key"),
        ({"client_key": fixed_key("ES256")}, "client_key"),
        ({"client_secret": None, "client_key": fixed_key("HS256")}, "client_key"),
        ({"scopes": ("email",)}, "scopes"),
        ({"scopes": ("openid email",)}, "scopes"),
        ({"openid": False}, "scopes"),
        ({"openid": False, "scopes": ()}, "authorize_url"),
        ({"token_url": "http://tokens.example.net"}, "token_url"),
        ({"subject_claim": "email"}, "subject_claim"),
        ({"parameters": {"state": "x"}}, "parameters"),
        ({"redirect_uri": "http://app.example.com/callback"}, "redirect_uri"),
    ],
)
def test_what_is_set_wrongly_is_refused_at_set_up(
    make: Callable[..., RelyingParty], settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(**settings)
    assert caught.value.setting == named

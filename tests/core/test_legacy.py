"""Tokens of another library during a cut-over: which are good, and the attacks on whoever takes
them.

The tokens are made by hand, in the shapes of flask-jwt-extended, djangorestframework-simplejwt and
fastapi-users; the tests of the migration pages have the libraries themselves make them.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization

from bezant import (
    ConfigurationError,
    IntrospectionVerifier,
    Key,
    Requirement,
    Runtime,
    TrustedIssuers,
    Verifier,
    guard_for,
)
from bezant.errors import InsufficientScope, InvalidToken, StoreUnavailable, TemporarilyUnavailable
from bezant.legacy import LegacyTokens, LegacyVerifier
from bezant.revocation import RevocationView
from bezant.runtime import SYNC, inline, result, run_sync
from bezant.stores import Revocation
from bezant.testing import FrozenClock, TokenFactory, fixed_key
from bezant.testing.issuer import FakeIssuer
from bezant.verification import Source
from tests.jose import b64, compact, hmac_sha256, private_key, segment, signer
from tests.world import make_world

if TYPE_CHECKING:
    from bezant import Principal

NOW = 1_800_000_000
DAY = 86400
END = NOW + 30 * DAY
SECRET = "the old secret, as long as a digest or longer"
HEADER = {"alg": "HS256", "typ": "JWT"}
LOOPED = Runtime(io=inline, wait=result, loop=True)


# ---- the shapes, each with what makes it an access token --------------------------------------


def flask(**changes: Any) -> dict[str, Any]:
    """flask-jwt-extended."""
    good = {
        "fresh": False,
        "iat": NOW,
        "jti": "old-1",
        "type": "access",
        "sub": "7",
        "nbf": NOW,
        "csrf": "x",
        "exp": NOW + 900,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def simple(**changes: Any) -> dict[str, Any]:
    """djangorestframework-simplejwt."""
    good = {"token_type": "access", "exp": NOW + 300, "iat": NOW, "jti": "old-2", "user_id": "7"}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def users(**changes: Any) -> dict[str, Any]:
    """fastapi-users."""
    good = {"sub": "7", "aud": ["fastapi-users:auth"], "exp": NOW + 3600}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


SETTINGS: dict[Any, dict[str, Any]] = {
    flask: {"required": {"type": "access"}},
    simple: {"required": {"token_type": "access"}, "subject_claim": "user_id"},
    users: {"audience": "fastapi-users:auth"},
}
SHAPES = [pytest.param(shape, id=shape.__doc__.rstrip(".")) for shape in SETTINGS]


def old(claims: Any, header: Any = None, secret: str = SECRET) -> str:
    """A token of the old library, or what an attacker makes of one."""
    return compact(HEADER if header is None else header, claims, hmac_sha256(secret.encode()))


def tokens(shape: Any = flask, **options: Any) -> LegacyTokens:
    return LegacyTokens(**{"key": SECRET, "accepted_until": END, **SETTINGS[shape], **options})


class Asked(Verifier):
    """New tokens' verifier that is only asked, and refuses."""

    issuers = ("https://id.example.com",)

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.tokens: list[str] = []

    async def averify(self, token: str, runtime: Runtime) -> Principal:
        self.tokens.append(token)
        raise InvalidToken("no", detail="refused by the verifier of new tokens")


@pytest.fixture
def factory() -> TokenFactory:
    return TokenFactory()


def behind(factory: TokenFactory, shape: Any = flask, **options: Any) -> LegacyVerifier:
    return LegacyVerifier(factory.verifier(), tokens(shape, **options))


def verify(verifier: Verifier, token: str) -> Principal:
    return run_sync(verifier.averify(token, SYNC))


def refusal(verifier: Verifier, token: str) -> str:
    """Why a token is refused, in the log; in public it is always the same."""
    with pytest.raises(InvalidToken) as caught:
        verify(verifier, token)
    error = caught.value
    assert (error.code, error.status) == ("invalid_token", 401)
    told = f"{error} {error!r} {error.detail}"
    assert not any(len(part) > 8 and part in told for part in (*token.split("."), SECRET))
    return error.detail


# ---- what is taken -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_a_good_old_token_is_somebody_without_any_right(factory: TokenFactory, shape: Any) -> None:
    claims = shape()
    who = verify(behind(factory, shape), old(claims))
    assert (who.subject, who.client_id) == ("7", "legacy")
    assert who.scopes == who.roles == who.permissions == frozenset()
    assert who.expires_at == claims["exp"]
    assert who.token_id == claims.get("jti", "")
    assert who.audience == tuple(claims.get("aud", ()))
    assert who.auth_time is who.session_id is None
    assert not who.is_client
    assert dict(who.claims) == claims


@pytest.mark.parametrize("shape", SHAPES)
def test_new_tokens_are_taken_as_ever(factory: TokenFactory, shape: Any) -> None:
    who = verify(behind(factory, shape), factory.mint(scopes=["items:read"]))
    assert (who.subject, who.client_id, who.scopes) == ("alice", "web", {"items:read"})


def test_a_subject_that_is_a_number_is_its_digits(factory: TokenFactory) -> None:
    assert verify(behind(factory), old(flask(sub=7))).subject == "7"


def test_another_algorithm_is_that_of_a_key(factory: TokenFactory) -> None:
    key = Key.from_jwk({**fixed_key("RS256").public_jwk(), "kid": "old"})
    verifier = behind(factory, key=key)
    header = {"alg": "RS256", "typ": "JWT"}
    assert verify(verifier, compact(header, flask(), signer(fixed_key("RS256")))).subject == "7"
    assert refusal(verifier, old(flask())) == "no key for this kid and alg"


def test_claims_that_are_called_like_rights_give_none(factory: TokenFactory) -> None:
    token = old(
        flask(
            scope="items:write",
            scopes=["items:write"],
            roles=["admin"],
            permissions=["items.delete"],
            auth_time=NOW,
            client_id="web",
            sid="session",
        )
    )
    who = verify(behind(factory), token)
    assert who.scopes == who.roles == who.permissions == frozenset()
    assert (who.client_id, who.auth_time, who.session_id) == ("legacy", None, None)
    with pytest.raises(InsufficientScope):
        Requirement("items:write").check(who, NOW)


# ---- who is admitted, with what ----------------------------------------------------------------


def give(who: Principal) -> Principal | None:
    if who.token_id == "blocked":
        return None
    return replace(who, scopes=frozenset(who.claims.get("may", ())))


async def give_later(who: Principal) -> Principal | None:
    return give(who)


@pytest.mark.parametrize("admit", [give, give_later])
def test_the_application_says_who_is_admitted_and_what_they_may(
    factory: TokenFactory, admit: Any
) -> None:
    verifier = behind(factory, admit=admit)
    assert verify(verifier, old(flask(may=["items:read"]))).scopes == {"items:read"}
    assert refusal(verifier, old(flask(jti="blocked"))) == "not admitted"
    # New tokens are none of its business.
    assert verify(verifier, factory.mint(jti="blocked")).token_id == "blocked"


def test_nobody_is_admitted_while_the_application_cannot_tell(factory: TokenFactory) -> None:
    def unknown(who: Principal) -> Principal:
        raise StoreUnavailable("the database is away")

    guard = guard_for(behind(factory, admit=unknown), SYNC)
    with pytest.raises(TemporarilyUnavailable):
        run_sync(guard.authenticate([f"Bearer {old(flask())}"], SYNC))


def test_nobody_is_asked_about_a_token_that_is_not_good(factory: TokenFactory) -> None:
    asked: list[Principal] = []
    verifier = behind(factory, admit=asked.append)
    for token in (old(flask(exp=NOW - DAY)), old(flask(), secret="another " * 5), factory.mint()):
        try:
            verify(verifier, token)
        except InvalidToken:
            continue
    assert asked == []


def test_j32_nobody_becomes_a_client(factory: TokenFactory) -> None:
    why = "the subject equals the client id"
    assert refusal(behind(factory), old(flask(sub="legacy"))) == why
    assert refusal(behind(factory, client_id="7"), old(flask())) == why
    renamed = behind(factory, admit=lambda who: replace(who, subject="legacy"))
    assert refusal(renamed, old(flask())) == why


def test_an_async_admit_is_refused_where_there_is_no_event_loop(factory: TokenFactory) -> None:
    verifier = behind(factory, admit=give_later)
    inner = TrustedIssuers([verifier])
    for source in (verifier, inner, LegacyVerifier(inner, tokens())):
        with pytest.raises(ConfigurationError, match=r"LegacyTokens\.admit: .*'async def'"):
            guard_for(source, SYNC)
        assert guard_for(source, LOOPED)


# ---- old and new are never taken for each other ------------------------------------------------


@pytest.mark.rfc("8725", "3.12")
def test_j23_a_bad_new_token_is_never_tried_as_an_old_one() -> None:
    """Signed with the old secret, and good in all else."""
    asked = Asked()
    verifier = LegacyVerifier(asked, tokens())
    issuer = Asked.issuers[0]
    forged = [
        old(flask(), {**HEADER, "typ": "at+jwt"}),
        old(flask(), {**HEADER, "typ": "application/at+jwt"}),
        old(flask(), {**HEADER, "typ": "AT+JWT"}),
        old(flask(), {"alg": "HS256"}),
        old(flask(), {**HEADER, "typ": ["JWT"]}),
        old(flask(), {**HEADER, "typ": ""}),
        old(flask(), {**HEADER, "crit": ["exp"]}),
        old(flask(), '{"alg":"HS256","typ":"at+jwt","typ":"JWT"}'),
        old(flask(iss=issuer)),
        "",
        "an-opaque-token",
        "\u00e9.\u00e9.\u00e9",
        "x" * 200_000,
    ]
    for token in forged:
        assert refusal(verifier, token) == "refused by the verifier of new tokens"
    assert asked.tokens == forged


@pytest.mark.rfc("8725", "3.11")
def test_j24_an_old_token_is_never_tried_as_a_new_one() -> None:
    asked = Asked()
    verifier = LegacyVerifier(asked, tokens())
    for token in (old(flask(exp=NOW - DAY)), old(flask(), secret="another " * 5), old(flask())):
        try:
            verify(verifier, token)
        except InvalidToken:
            continue
    assert asked.tokens == []


def test_j24_new_tokens_need_the_new_key_whatever_they_call_themselves(
    factory: TokenFactory,
) -> None:
    verifier = behind(factory)
    claims = factory.claims(type="access")
    assert refusal(verifier, old(claims, {**HEADER, "typ": "at+jwt"}))
    assert refusal(verifier, old(claims))
    assert refusal(verifier, old({**claims, "iss": None}))
    assert refusal(verifier, factory.mint(typ="JWT", type="access"))
    assert refusal(verifier, factory.mint(typ="JWT", type="access", iss=None))


def test_an_issuer_that_old_and_new_tokens_share_is_told_by_the_type(factory: TokenFactory) -> None:
    verifier = behind(factory, issuer=factory.issuer)
    assert verify(verifier, old(flask(iss=factory.issuer))).client_id == "legacy"
    assert verify(verifier, factory.mint()).client_id == "web"
    assert refusal(verifier, factory.mint(typ="JWT", type="access"))


def test_opaque_new_tokens_are_asked_about() -> None:
    with FakeIssuer() as issuer:
        introspection = IntrospectionVerifier(
            issuer.url,
            audience=issuer.audience,
            client_id=issuer.client_id,
            client_secret=issuer.client_secret,
            clock=FrozenClock(NOW),
        )
        verifier = LegacyVerifier(introspection, tokens())
        assert refusal(verifier, "an-opaque-token") == "not active"
        assert issuer.count("/oauth/introspect") == 1
        assert verify(verifier, old(flask())).subject == "7"
        assert issuer.count("/oauth/introspect") == 1
        verifier.close()


# ---- forged ones -------------------------------------------------------------------------------


@pytest.mark.rfc("7518", "3.6")
@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256"]
)
def test_j01_another_algorithm_than_the_one(factory: TokenFactory, algorithm: str) -> None:
    verifier = behind(factory)
    unsigned = f"{segment({'alg': algorithm, 'typ': 'JWT'})}.{segment(flask())}."
    for token in (unsigned, old(flask(), {"alg": algorithm, "typ": "JWT"})):
        assert refusal(verifier, token) == "no key for this kid and alg"
    assert refusal(verifier, old(flask()).rpartition(".")[0] + ".") == "bad signature"


@pytest.mark.rfc("8725", "2.1")
def test_j02_a_public_key_is_no_secret(factory: TokenFactory) -> None:
    public = private_key(fixed_key("RS256")).public_key()
    spellings = [
        public.public_bytes(encoding, kind)
        for encoding, kind in (
            (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
            (serialization.Encoding.PEM, serialization.PublicFormat.PKCS1),
            (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH),
        )
    ]
    for secret in (*spellings, spellings[0].decode(), b"\n" + spellings[0]):
        with pytest.raises(ConfigurationError, match="key: this is no secret of HS256"):
            tokens(key=secret)
    # A verifier of RS256 takes nothing that was made with the published key as a secret.
    verifier = behind(factory, key=Key.from_jwk(fixed_key("RS256").public_jwk()))
    for secret in spellings:
        for kid in (None, fixed_key("RS256").kid):
            header = HEADER if kid is None else {**HEADER, "kid": kid}
            token = compact(header, flask(), hmac_sha256(secret))
            assert refusal(verifier, token) == "no key for this kid and alg"


@pytest.mark.rfc("7518", "3.2")
@pytest.mark.parametrize("secret", ["", "super-secret", "s" * 31])
def test_j03_a_secret_that_can_be_guessed_is_refused(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="at least 32 bytes") as caught:
        tokens(key=secret)
    assert not secret or secret not in str(caught.value)


def test_j10_a_token_cannot_choose_a_key(factory: TokenFactory) -> None:
    for kid in ("other", "../../dev/null", "' OR 1=1 --", "", 5, ["legacy"]):
        assert refusal(behind(factory), old(flask(), {**HEADER, "kid": kid}))


def test_j08_a_key_in_the_header_is_not_looked_at(factory: TokenFactory) -> None:
    mine = "the attacker's own secret, long enough to be one"
    jwk = {"kty": "oct", "k": b64(mine.encode())}
    forged = old(flask(), {**HEADER, "jwk": jwk, "jku": "https://evil.example"}, secret=mine)
    assert refusal(behind(factory), forged) == "bad signature"


@pytest.mark.rfc("8725", "3.3")
def test_a_changed_token_is_refused(factory: TokenFactory) -> None:
    header, _, signature = old(flask()).split(".")
    verifier = behind(factory)
    assert refusal(verifier, f"{header}.{segment(flask(sub='1'))}.{signature}") == "bad signature"
    assert refusal(verifier, old(flask(), secret=SECRET + "!")) == "bad signature"
    assert refusal(verifier, old(flask(), secret=b64encode(SECRET.encode()).decode()))


def test_j15_an_oversized_token_costs_nothing(factory: TokenFactory) -> None:
    verifier = behind(factory)
    assert verify(verifier, old(flask(note="x" * 8000)))
    assert refusal(verifier, old(flask(note="x" * 16000))) == "oversized"
    assert refusal(behind(factory, max_size=100), old(flask())) == "oversized"
    deep = json.dumps(flask())[:-1] + f', "x": {"[" * 1000}{"]" * 1000}}}'
    assert refusal(verifier, old(deep)) == "the claims are not one strict JSON object"


@pytest.mark.rfc("7515", "2")
def test_j16_one_spelling_only(factory: TokenFactory) -> None:
    token = old(flask())
    for spelled in (
        token + "=",
        token + "\n",
        token.replace(".", "..", 1),
        token + ".",
        " " + token,
    ):
        assert refusal(behind(factory), spelled)


@pytest.mark.rfc("7519", "4")
def test_j17_a_member_twice(factory: TokenFactory) -> None:
    claims = json.dumps(flask())[:-1]
    for twice in ('"type":"refresh"', '"sub":"1"', '"exp":9999999999'):
        token = old(f"{claims},{twice}}}")
        assert refusal(behind(factory), token) == "the claims are not one strict JSON object"


# ---- real ones that are not access tokens, or no longer good ------------------------------------


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        (flask, {"type": "refresh"}),
        (flask, {"type": None}),
        (flask, {"type": ["access"]}),
        (flask, {"type": True}),
        (flask, {"type": "ACCESS"}),
        (flask, {"type": "access "}),
        (simple, {"token_type": "refresh"}),
        (simple, {"token_type": "sliding", "refresh_exp": NOW + DAY}),
        (simple, {"token_type": None, "type": "access"}),
        (users, {"aud": "fastapi-users:reset"}),
        (users, {"aud": "fastapi-users:verify"}),
        (users, {"aud": ["fastapi-users:oauth-state"]}),
        (users, {"aud": []}),
        (users, {"aud": None}),
        (users, {"aud": [["fastapi-users:auth"]]}),
        (users, {"aud": "fastapi-users"}),
    ],
)
@pytest.mark.rfc("8725", "3.12")
def test_j23_other_kinds_of_old_tokens(
    factory: TokenFactory, shape: Any, changes: dict[str, Any]
) -> None:
    why = refusal(behind(factory, shape), old(shape(**changes)))
    assert why in {"wrong type", "wrong token_type", "wrong aud", "aud is missing or malformed"}


def test_one_librarys_tokens_are_not_anothers(factory: TokenFactory) -> None:
    """Two applications with the same secret, which people do."""
    for shape in SETTINGS:
        for other in SETTINGS:
            if other is not shape:
                assert refusal(behind(factory, shape), old(other()))


@pytest.mark.rfc("7519", "4.1.4")
@pytest.mark.parametrize("exp", [None, True, "9999999999", float("1e300"), -1, [], {}])
def test_j19_a_token_without_a_proper_end(factory: TokenFactory, exp: Any) -> None:
    claims = {name: value for name, value in flask().items() if name != "exp"}
    if exp is not None:
        claims["exp"] = exp
    assert refusal(behind(factory), old(claims)) == "exp is missing, absurd or no date"


def test_j19_an_expired_token(factory: TokenFactory) -> None:
    verifier = behind(factory, leeway=0)
    assert verify(verifier, old(flask(exp=NOW + 1)))
    with pytest.raises(InvalidToken, match="has expired"):
        verify(verifier, old(flask(exp=NOW)))
    factory.clock.advance(10)
    with pytest.raises(InvalidToken, match="has expired"):
        verify(verifier, old(flask(exp=NOW + 1)))


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_j20_a_token_of_the_future(factory: TokenFactory, name: str) -> None:
    verifier = behind(factory)
    assert verify(verifier, old(flask(**{name: NOW + 10})))
    assert refusal(verifier, old(flask(**{name: NOW + 11}))) == f"{name} is in the future"
    assert refusal(verifier, old(flask(**{name: "today"}))).startswith(f"{name} is missing")


@pytest.mark.parametrize("issuer", ["https://elsewhere.example.com", "", 5, [], None])
def test_j21_an_issuer_where_none_is_expected(factory: TokenFactory, issuer: Any) -> None:
    assert refusal(behind(factory), old({**flask(), "iss": issuer})) == "wrong iss"


@pytest.mark.rfc("7519", "4.1.1")
def test_j21_another_issuer_than_the_one_expected(factory: TokenFactory) -> None:
    verifier = behind(factory, issuer="shop")
    assert verify(verifier, old(flask(iss="shop"))).subject == "7"
    for issuer in ("Shop", "shop/", ["shop"], None):
        assert refusal(verifier, old(flask(iss=issuer))) == "wrong iss"


@pytest.mark.rfc("8725", "3.9")
def test_j22_an_audience_where_none_is_expected(factory: TokenFactory) -> None:
    for audience in ("https://api.example.com", [], "", 5):
        assert refusal(behind(factory), old(flask(aud=audience))) == "wrong aud"


@pytest.mark.parametrize("subject", [None, "", True, 7.5, ["7"], {"id": 7}])
def test_a_subject_that_is_none(factory: TokenFactory, subject: Any) -> None:
    why = refusal(behind(factory), old(flask(sub=subject)))
    assert why == "sub is missing, or neither text nor whole number"


def test_a_token_id_that_is_no_text(factory: TokenFactory) -> None:
    """What compares it with a list of blocked ones would find nothing."""
    assert refusal(behind(factory), old(flask(jti=["old-1"]))) == "jti is not a string"


# ---- the end of the cut-over -------------------------------------------------------------------


def test_after_the_end_no_old_token_is_good(factory: TokenFactory) -> None:
    verifier = behind(factory)
    factory.clock.now = END - 1
    token = old(flask(iat=END - 60, nbf=END - 60, exp=END + DAY))
    assert verify(verifier, token).expires_at == END
    factory.clock.now = END
    assert refusal(verifier, token) == "the cut-over is over"
    assert verify(verifier, factory.mint()).subject == "alice"


def test_the_end_may_be_a_datetime(factory: TokenFactory) -> None:
    verifier = behind(factory, accepted_until=datetime.fromtimestamp(NOW + 60, UTC))
    assert verify(verifier, old(flask())).expires_at == NOW + 60
    factory.clock.advance(60)
    assert refusal(verifier, old(flask())) == "the cut-over is over"


@pytest.mark.parametrize(
    "end",
    [NOW * 1000, 0, -1, float("nan"), float("inf"), datetime(2030, 1, 1)],  # noqa: DTZ001
)
def test_an_end_that_would_never_come_is_refused(end: Any) -> None:
    with pytest.raises(ConfigurationError, match="accepted_until"):
        tokens(accepted_until=end)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"required": {}},
        {"required": {"type": ""}},
        {"required": {"fresh": True}},
        {"audience": ""},
        {"audience": ["", "x"]},
        {"required": {"type": "access"}, "subject_claim": ""},
        {"required": {"type": "access"}, "client_id": ""},
        {"required": {"type": "access"}, "leeway": 61},
        {"required": {"type": "access"}, "leeway": -1},
    ],
)
def test_what_leaves_a_door_open_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        LegacyTokens(key=SECRET, accepted_until=END, **settings)


def test_nothing_shows_the_secret() -> None:
    made = tokens()
    assert SECRET not in f"{made!r} {vars(made)} {list(made._keys)}"
    # A thumbprint in a log would be a way to test guesses without asking anybody.
    assert next(iter(made._keys)).kid == "legacy"


# ---- revocation --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value"), [("subject", "7"), ("token", "old-1"), ("client", "legacy")]
)
def test_a_revocation_of_new_tokens_ends_old_ones_too(
    factory: TokenFactory, kind: Any, value: str
) -> None:
    view = RevocationView()
    verifier = LegacyVerifier(factory.verifier(revocations=view), tokens())
    assert verify(verifier, old(flask()))
    view.put(Revocation(kind, value, NOW + 1, NOW + 3600, NOW + 1))
    with pytest.raises(InvalidToken, match="revoked"):
        verify(verifier, old(flask()))
    factory.clock.advance(10)
    fresh = flask(iat=NOW + 5, nbf=NOW + 5)  # of a session that goes on
    assert kind == "token" or verify(verifier, old(fresh))


def test_an_old_token_that_does_not_say_when_it_was_made_is_revoked_with_all(
    factory: TokenFactory,
) -> None:
    view = RevocationView()
    verifier = LegacyVerifier(factory.verifier(revocations=view), tokens(users))
    view.put(Revocation("subject", "7", NOW, NOW + 3600, NOW))
    with pytest.raises(InvalidToken, match="revoked"):
        verify(verifier, old(users()))
    assert verify(verifier, old(users(sub="8")))


def test_revocations_go_by_the_subject_that_was_admitted(factory: TokenFactory) -> None:
    view = RevocationView()
    legacy = tokens(admit=lambda who: replace(who, subject=f"user-{who.subject}"))
    verifier = LegacyVerifier(factory.verifier(revocations=view), legacy)
    assert verify(verifier, old(flask())).subject == "user-7"
    view.put(Revocation("subject", "user-7", NOW, NOW + 3600, NOW))
    with pytest.raises(InvalidToken, match="revoked"):
        verify(verifier, old(flask()))


def test_old_tokens_alone_keep_revocations_up_to_date(factory: TokenFactory) -> None:
    class Read(Source):
        due = True
        away = False
        read = 0

        async def refresh(self, runtime: Runtime) -> None:
            if self.away:
                raise StoreUnavailable("the feed is away")
            self.read += 1

    source = Read()
    verifier = LegacyVerifier(factory.verifier(sources=[source]), tokens())
    verify(verifier, old(flask()))
    assert source.read == 1
    source.away = True
    # Who could be asked about new tokens instead knows nothing of old ones.
    asking = LegacyVerifier(factory.verifier(sources=[source], otherwise=Asked()), tokens())
    for one in (verifier, asking):
        with pytest.raises(StoreUnavailable):
            verify(one, old(flask()))


# ---- a server in the same process --------------------------------------------------------------


def test_a_servers_applications_take_old_tokens_and_its_endpoints_do_not() -> None:
    world = make_world(server={"legacy": tokens(admit=give)})
    guard = guard_for(world.server, SYNC)
    token = old(flask(may=["items:read"]))
    header = [f"Bearer {token}"]
    who = run_sync(guard.authenticate(header, SYNC, Requirement("items:read")))
    assert who.subject == "7"
    with pytest.raises(InvalidToken):
        world.server.verifier().verify(token)
    run_sync(world.server.revocations.revoke(SYNC, "subject", "7"))
    with pytest.raises(InvalidToken, match="revoked"):
        run_sync(guard.authenticate(header, SYNC))
    assert [event.reason for event in world.events if hasattr(event, "reason")] == ["revoked"]
    world.server.close()


def test_a_server_with_an_async_admit_is_refused_where_there_is_no_event_loop() -> None:
    world = make_world(server={"legacy": tokens(admit=give_later)})
    with pytest.raises(ConfigurationError, match=r"LegacyTokens\.admit"):
        guard_for(world.server, SYNC)
    world.server.close()


def test_what_runs_in_the_background_begins_and_ends_with_it() -> None:
    done: list[str] = []

    class Runs(Asked):
        def start(self) -> None:
            done.append("start")

        def close(self) -> None:
            done.append("close")

    verifier = LegacyVerifier(Runs(), tokens())
    verifier.start()
    verifier.close()
    assert done == ["start", "close"]

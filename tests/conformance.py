"""Which tests prove which rules: a manifest, and the page that is made from it.

A test names the rules that it proves, ``@pytest.mark.rfc("6749", "5.2")``, the modules of the
OpenID Foundation's conformance suite that it passes, ``@pytest.mark.openid("oidcc-server")``, and
the attacks that it withstands, ``test_j01_...``. `RULES`, `MODULES` and `ATTACKS` list what must be
proven. ``python -m tests.conformance`` writes the page; a test fails when something listed lacks a
proof, a proof is of something not listed, or the page is out of date.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    _Test: TypeAlias = tuple[str, list[ast.expr]]

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "conformance.md"

Rule: TypeAlias = tuple[str, str]
"""The number of an RFC and a section of it."""

RULES: Final[dict[tuple[str, str], dict[str, str]]] = {
    ("6749", "The OAuth 2.0 Authorization Framework"): {
        "1.5": "A refresh token is given to those who may use it",
        "2.3": "A client authenticates by one method at a time",
        "2.3.1": "Client passwords: Basic with form-encoded parts, or the body, never the URL",
        "3.1": "The authorization endpoint: GET and POST, no parameter twice, unknown ignored",
        "3.1.2": "Redirect URIs: absolute, without a fragment; their query stays",
        "3.1.2.2": "They are registered, and compared as strings",
        "3.1.2.3": "One is named in every request",
        "3.1.2.4": "No redirect to one that is not registered",
        "3.2": "The token endpoint: POST, no parameter twice, empty is absent, unknown ignored",
        "3.2.1": "A client acts for itself alone, whoever it names",
        "3.3": "Scopes: case-sensitive names in any order; the answer says what was given",
        "4.1": "The authorization code grant, from end to end",
        "4.1.1": "Authorization code: the request",
        "4.1.2": "Authorization code: the answer; a code is good once and for a minute",
        "4.1.2.1": "Errors go to the client once its redirect URI is proven, with its state",
        "4.1.3": "Authorization code: bound to its client and redirect URI",
        "4.1.4": "Authorization code: the answer with tokens",
        "4.3.2": "Password grant: the request, behind protection against guessing",
        "4.3.3": "Password grant: the answer",
        "4.4.3": "Client credentials: the answer has no refresh token",
        "4.5": "Grants of one's own",
        "5.1": "The answer with tokens, never to be stored",
        "5.2": "Every error: its code, its status, its challenge",
        "6": "Refreshing: bound to the client, scopes never wider than first given",
        "10.4": "A refresh token cannot be forged or used by another client",
        "10.5": "A code that comes back ends what it gave",
        "10.10": "Credentials cannot be guessed, and no answer helps to",
        "B": "application/x-www-form-urlencoded is UTF-8",
    },
    ("6750", "Bearer Token Usage"): {
        "2": "One way to send a token in one request",
        "2.1": "The Authorization header",
        "2.2": "A token in a form is not looked at",
        "2.3": "A token in the URL is not looked at",
        "3": "The challenge and its parameters",
        "3.1": "The error codes and their statuses",
        "5.3": "No token in a URL or a cookie",
    },
    ("7009", "Token Revocation"): {
        "2.1": "What is revoked, with what hangs on it, for whom; hints may be wrong",
        "2.2": "200 for every token, known or not",
        "2.2.1": "A revocation that cannot be kept is answered 503",
        "2.3": "No JSONP",
    },
    ("7662", "Token Introspection"): {
        "2.1": "Only clients that prove who they are may ask",
        "2.2": "What is said of a live token, and nothing of any other",
        "2.3": "Errors",
        "4": "Expired, revoked and strangers' tokens are not active",
    },
    ("8414", "Authorization Server Metadata"): {
        "2": "The document; all that it advertises works",
        "3": "Where it is",
        "3.1": "Where it is when the issuer has a path",
        "3.2": "The answer",
    },
    ("9068", "JWT Profile for OAuth 2.0 Access Tokens"): {
        "2.1": "The header: typ is at+jwt",
        "2.2": "The claims that every token has",
        "2.2.1": "When the resource owner signed in",
        "2.2.3": "Scopes",
        "2.2.3.1": "Roles and permissions",
        "4": "Validation by resource servers",
        "5": "No other kind of token passes for an access token",
    },
    ("9470", "OAuth 2.0 Step Up Authentication Challenge"): {
        "3": "A sign-in too long ago is challenged with max_age",
        "4": "A sign-in that is too weak is stepped up",
    },
    ("9700", "Best Current Practice for OAuth 2.0 Security"): {
        "2.1": "Redirect URIs are compared as strings, but for the port of a loopback address",
        "2.1.1": "No code without PKCE",
        "2.6": "No other origin reads the authorization endpoint",
        "4.5.3": "A stolen code is of no use to another client, or to the same one twice",
        "4.8.2": "A code with a challenge needs its verifier, and there is no other",
        "4.11.2": "No open redirector: nothing goes anywhere unproven",
        "4.12": "303 after a form, never 307",
        "4.14.2": "Refresh tokens rotate; the reuse of one ends all of its sign-in",
        "4.15": "A client cannot pose as a resource owner, nor the other way round",
        "4.16": "No page of ours can be framed",
    },
    ("9728", "OAuth 2.0 Protected Resource Metadata"): {
        "2": "The document of a resource",
        "3.1": "Where it is, when the resource has a path too",
        "3.2": "The answer",
        "5.1": "Challenges name the metadata of the resource",
    },
    ("7636", "Proof Key for Code Exchange"): {
        "4.1": "Verifiers: 43 to 128 characters",
        "4.2": "Challenges: S256 and nothing else",
        "4.3": "The request says both, and leaves neither out",
        "4.4.1": "What is missing or not S256 is invalid_request",
        "4.6": "The verifier must fit, or the code is spent",
        "B": "The published example",
    },
    ("8252", "OAuth 2.0 for Native Apps"): {
        "7.1": "Private schemes are domain names turned round",
        "7.3": "The port of a loopback address is free",
        "8.3": "localhost is no loopback address",
        "8.4": "What may be registered",
    },
    ("8707", "Resource Indicators"): {
        "2": "resource may be repeated; what is unknown is invalid_target",
        "2.1": "In the authorization request",
        "2.2": "In the token request: those of the code, or fewer",
    },
    ("9126", "Pushed Authorization Requests"): {
        "2": "POST, by a client that proves who it is",
        "2.1": "The request, which names no other",
        "2.2": "The answer",
        "2.3": "Errors go to the client at once",
        "4": "What was pushed counts, and nothing beside it",
        "7.3": "A request URI is good once, for one client, and a while",
    },
    ("9207", "Authorization Server Issuer Identification"): {
        "2": "iss in every answer, errors included",
        "2.4": "It is the issuer to the letter, and clients compare it",
    },
    ("7523", "JWT Profile for Client Authentication"): {
        "2.2": "A signed assertion proves a client, in place of a secret",
        "3": "What it has to say: whose it is, for whom, until when, and once",
    },
    ("7591", "Dynamic Client Registration"): {
        "2": "The names of client authentication methods",
    },
    ("7515", "JSON Web Signature"): {
        "2": "base64url without padding, in one spelling",
        "4": "No header member twice",
        "4.1.2": "jku is not followed",
        "4.1.3": "jwk is not trusted",
        "4.1.4": "kid picks one of the keys that are trusted already",
        "4.1.5": "x5u is not followed",
        "4.1.6": "x5c is not trusted",
        "4.1.9": "typ is a media type",
        "4.1.11": "crit is refused: no extension is understood",
        "5.1": "What we sign",
        "5.2": "What we verify",
        "7.1": "The compact serialisation and no other",
        "A.1": "The published HS256 example",
        "A.2": "The published RS256 example",
        "A.3": "The published ES256 example",
        "C": "base64url encoding",
    },
    ("7797", "JWS Unencoded Payload Option"): {
        "6": "b64 is refused",
    },
    ("7517", "JSON Web Key"): {
        "4": "The members of a key; unknown ones are ignored, bad ones refused",
        "4.2": "use must be sig",
        "4.3": "key_ops must allow signatures",
        "4.4": "alg is bound to the key",
        "4.5": "kid is unique in a set",
        "5": "Sets; a bad key does not spoil the others",
        "9.2": "No private member is published, and a set that holds one is refused",
    },
    ("7518", "JSON Web Algorithms"): {
        "3.2": "HMAC keys are as long as the hash",
        "3.3": "RSA keys have 2048 bits or more",
        "3.4": "ECDSA signatures: two numbers of fixed length, on the one curve",
        "3.5": "PSS signatures",
        "3.6": "none is no algorithm",
    },
    ("7519", "JSON Web Token"): {
        "4": "No claim twice",
        "4.1": "Registered claims mean what they mean",
        "4.1.1": "iss is compared as a string",
        "4.1.2": "sub is a string",
        "4.1.3": "aud must name us",
        "4.1.4": "exp ends a token",
        "4.1.5": "nbf begins it",
        "4.1.6": "iat is not in the future",
        "4.1.7": "jti is a string",
        "7.2": "Validation",
    },
    ("7638", "JWK Thumbprint"): {
        "3": "kid is the thumbprint of the key",
        "3.1": "The published example",
    },
    ("8037", "CFRG Elliptic Curves in JOSE"): {
        "A.3": "The published thumbprint of an Ed25519 key",
        "A.4": "The published Ed25519 signature",
    },
    ("8725", "JSON Web Token Best Current Practices"): {
        "2.1": "A public key is never taken for an HMAC secret",
        "2.6": "One encoding of JSON",
        "3.1": "The algorithm is the key's, not the token's",
        "3.2": "Only good algorithms",
        "3.3": "Every signature is validated, all of it",
        "3.4": "Keys and signatures are valid points and numbers",
        "3.5": "Keys are strong enough",
        "3.6": "No compression",
        "3.7": "UTF-8",
        "3.8": "Issuer and subject are validated, and keys belong to an issuer",
        "3.9": "The audience is validated",
        "3.10": "Received claims and URLs are not trusted",
        "3.11": "Explicit typing",
        "3.12": "No kind of token passes for another",
    },
    ("4648", "Base64 Encodings"): {
        "3.5": "Unused bits are zero",
    },
    ("6585", "Additional HTTP Status Codes"): {
        "4": "Too many attempts: 429, and when to come back",
    },
    ("8265", "Usernames and Passwords (PRECIS)"): {
        "4.2": "Passwords are compared in normal form",
    },
    ("9110", "HTTP Semantics"): {
        "10.2.3": "Retry-After with every 503",
        "11.1": "Schemes are taken in any case",
        "11.6.2": "One Authorization header",
        "15.5.6": "405 says what is allowed",
        "15.5.14": "413 for a body that is too large",
        "15.5.16": "415 for a body that is no form",
    },
}
"""What must be proven."""

MODULES: Final[dict[str, dict[str, str]]] = {
    "Basic OP": {
        "oidcc-server": "The code flow; an ID token with all its claims",
        "oidcc-server-client-secret-post": "The same with the secret in the form",
        "oidcc-response-type-missing": "A request without response_type is refused",
        "oidcc-idtoken-signature": "RS256 unless registered otherwise, with a kid",
        "oidcc-idtoken-unsigned": "No ID token is unsigned, and none is advertised",
        "oidcc-userinfo-get": "UserInfo by GET",
        "oidcc-userinfo-post-header": "UserInfo by POST",
        "oidcc-userinfo-post-body": "A token in the form is not looked at",
        "oidcc-ensure-request-without-nonce-succeeds-for-code-flow": "No nonce asked, none told",
        "oidcc-scope-profile": "profile is accepted and tells its claims",
        "oidcc-scope-email": "email is accepted and tells its claims",
        "oidcc-scope-address": "address is accepted and tells its claim",
        "oidcc-scope-phone": "phone is accepted and tells its claims",
        "oidcc-scope-all": "All of them at once",
        "oidcc-alternate-happy-flow": "The order of scopes and parameters does not matter",
        "oidcc-display-page": "display=page is no error",
        "oidcc-display-popup": "display=popup is no error",
        "oidcc-prompt-login": "People are asked again, and auth_time says so",
        "oidcc-prompt-none-not-logged-in": "login_required when nobody is signed in",
        "oidcc-prompt-none-logged-in": "Silent when somebody is",
        "oidcc-max-age-1": "A sign-in too long ago is asked for again",
        "oidcc-max-age-10000": "A recent one is not",
        "oidcc-ensure-request-with-unknown-parameter-succeeds": "Unknown parameters are ignored",
        "oidcc-id-token-hint": "With prompt=none and a hint: silent",
        "oidcc-login-hint": "login_hint is no error",
        "oidcc-ui-locales": "ui_locales is no error",
        "oidcc-claims-locales": "claims_locales is no error",
        "oidcc-ensure-request-with-acr-values-succeeds": "acr_values is no error",
        "oidcc-codereuse": "A code is good once",
        "oidcc-codereuse-30seconds": "Its reuse ends what it gave",
        "oidcc-ensure-registered-redirect-uri": "An error page for an unregistered URI",
        "oidcc-ensure-post-request-succeeds": "The authorization request by POST",
        "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported": (
            "request_uri is refused, but for pushed requests"
        ),
        "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported": (
            "request is refused"
        ),
        "oidcc-ensure-request-object-with-redirect-uri": "No redirect URI comes in one",
        "oidcc-claims-essential": "A claim that is asked for by name is told",
        "oidcc-refresh-token": "A refresh tells of the same sign-in, and is one client's",
        "oidcc-ensure-request-with-valid-pkce-succeeds": "PKCE",
    },
    "Form Post OP": {
        "oidcc-server, response_mode=form_post": "The Basic plan's answers, by a form that submits "
        "itself",
    },
    "Config OP and Dynamic OP": {
        "oidcc-discovery-endpoint-verification": "Metadata: whole, exact, and true",
        "oidcc-server-rotate-keys": "Keys rotate under the clients' feet",
    },
    "RP-initiated logout": {
        "oidcc-rp-initiated-logout": "The sign-in ends, and the way back has the state",
        "oidcc-rp-initiated-logout-no-state": "The way back without one",
        "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri": "No way to an unregistered URI",
        "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri": (
            "Nor to one with a query added"
        ),
        "oidcc-rp-initiated-logout-modified-id-token-hint": "A modified hint is refused",
        "oidcc-rp-initiated-logout-bad-id-token-hint": "What is no hint of ours leads nowhere",
        "oidcc-rp-initiated-logout-no-id-token-hint": "Without a hint nobody is sent on unasked",
        "oidcc-rp-initiated-logout-no-params": "Without anything a page asks",
        "oidcc-rp-initiated-logout-no-post-logout-redirect-uri": "Without a URI people stay",
        "oidcc-rp-initiated-logout-only-state": "With a state alone they do, too",
    },
    "Back-channel logout": {
        "oidcc-backchannel-rp-initiated-logout": "Each client of the sign-in is told, with its sid",
    },
}
"""What the OpenID Foundation's conformance suite demands, by its plans. The plan for Form Post runs
the modules of the basic one once more."""

ATTACKS: Final[dict[str, dict[str, str]]] = {
    "Access tokens": {
        "J01": "alg none in any spelling, missing, or of another family",
        "J02": "HMAC with a public key as PEM, DER, JWK, OpenSSH and other texts",
        "J03": "An empty or short HMAC key",
        "J04": "A key used with another algorithm than its own",
        "J05": "A verifier without an issuer or an audience",
        "J06": "Symmetric and asymmetric keys in one set",
        "J07": "A key marked for encryption",
        "J08": "The attacker's key embedded in the header",
        "J09": "URLs in the header, to anywhere",
        "J10": "kid as a path, SQL, NUL, a number, a list, or 10 kB",
        "J11": "crit, known and unknown",
        "J12": "b64",
        "J13": "Compression and encryption",
        "J14": "PBES2 with a huge count",
        "J15": "100 MB, deep nesting, 5,000 digits",
        "J16": "Padding, white space, other letters, unused bits, other numbers of parts",
        "J17": "A member twice",
        "J18": "UTF-16, byte order marks, lone surrogates, what is no object",
        "J19": "exp missing, a text, boolean, infinite, absurd, reached",
        "J20": "nbf and iat in the future",
        "J21": "iss as part, prefix, list, other case, with a slash",
        "J22": "aud missing, another, a number",
        "J23": "Other kinds of tokens",
        "J24": "Another issuer beside ours, with its own keys or with ours",
        "J25": "ECDSA signatures of zeros, beyond the order, in DER",
        "J26": "Ed25519 keys of small order, Ed448",
        "J27": "A malformed or contradictory key in a set",
        "J28": "RSA keys of 1,024 bits or with exponent 3",
        "J29": "An ID token beside another access token",
        "J30": "An ID token with another nonce, or without one",
        "J31": "A scope that begins like the one needed, or is no scope at all",
        "J32": "A subject that equals a client's id",
        "J33": "Switching a check off",
        "J34": "Learning from the answer what is wrong with a forged token",
    },
    "Token endpoint": {
        "T01": "Other methods, parameters in the query, JSON, multipart",
        "T02": "A parameter twice, arrays",
        "T03": "Empty values, spaces around a password",
        "T04": "Huge bodies, too many fields, broken escapes and UTF-8, NUL",
        "T05": "Huge passwords, what bcrypt cuts, NUL, normal forms",
        "T06": "A grant that the client or the server does not have",
        "T07": "One client names another",
        "T08": "Scopes beyond the client's, unknown, malformed, huge",
        "T09": "A code of another client, or changed",
        "T10": "A code twice, by two or 32 at once, or too late",
        "T11": "Another redirect URI than the code was sent to",
        "T12": "No verifier, a wrong one, one of 42 or 129 characters",
        "T13": "Something ends between the code and its redemption",
        "T14": "An account disabled while its password is checked",
    },
    "Authorization endpoint": {
        "A01": "A redirect before the client and its address are proven",
        "A02": "Addresses that look like a registered one",
        "A03": "Addresses that look like this machine",
        "A04": "Several addresses registered, none named",
        "A05": "A parameter twice; unknown ones",
        "A06": "Other response types and modes",
        "A07": "No PKCE, plain, malformed challenges",
        "A08": "An error that travels to an unproven address",
        "A09": "Answers without iss, or with another",
        "A10": "A code injected into another session or client",
        "A11": "A state from another browser, replayed, empty",
        "A13": "Request objects, and URIs to fetch them from",
        "A14": "A pushed request of another client, again, late, guessed, with more beside it",
        "A15": "What was pushed in addresses, cookies and logs",
        "A16": "prompt and max_age: skipped, contradictory, going round in circles",
        "A17": "A hint of another person or client, expired, unsigned",
        "A18": "Addresses that are scripts; HTML and line breaks in state",
        "A19": "openid for a client that may not have it",
    },
    "Sign-in, consent and sign-out": {
        "S01": "A session fixed before the sign-in",
        "S02": "Forms from elsewhere",
        "S03": "Somebody signed in as the attacker",
        "S04": "A consent edited, replayed, of another person, from another tab",
        "S05": "Framing",
        "S06": "Cookies that others can set or read, malformed ones",
        "S07": "A way back to anywhere",
        "S08": "Passwords in redirects, referrers and addresses",
        "S09": "A sign-out from elsewhere",
        "S10": "Forged and replayed logout tokens",
        "S11": "A new password twice, for another person, after another change, steps skipped",
        "S12": "Claims that people set for themselves",
        "S13": "A name that is used again",
    },
    "Refresh tokens": {
        "R01": "One token by many at once, in many processes",
        "R02": "Reuse of a spent token",
        "R03": "The first token again after three rotations in one second",
        "R04": "Reuse after a restart",
        "R05": "Another client's token",
        "R06": "Scopes widened, or narrowed and widened back",
        "R07": "A retry that asks for more",
        "R08": "A retry outside its window, or after revocation",
        "R09": "The answer is lost",
        "R10": "Sliding beyond the absolute end",
        "R11": "The user is disabled or deleted, the client is disabled, all is revoked",
        "R12": "Reuse after 10,000 generations",
        "R13": "Forged tokens, and access tokens as refresh tokens",
        "R14": "A failure between spending and issuing",
    },
    "Client authentication": {
        "C01": "None, wrong, unknown: told apart by answer or work",
        "C02": "Two methods at once",
        "C03": "Another method than registered",
        "C04": "Malformed, oversized and oddly encoded Basic credentials",
        "C05": "Ids that differ in case or spaces",
        "C06": "Assertions unsigned, forged, expired, too long-lived, or meant for others",
        "C07": "An assertion again: later, at once, after a restart",
        "C08": "An assertion beside a secret",
        "C09": "Contradicting client ids",
        "C10": "Secrets in the store",
        "C11": "Rotation with two live secrets",
    },
    "Guessing": {
        "B01": "Many passwords for one account, one by one and all at once",
        "B02": "One password for many accounts",
        "B03": "Forged addresses",
        "B04": "Finding out which accounts exist, by answer or work",
        "B05": "Keeping the owner out",
        "B06": "Right logins while under attack",
        "B07": "Counters after a restart, after the loss of Redis, of other processes",
        "B08": "More logins than there is room for",
    },
    "Introspection and revocation": {
        "I01": "Asking without proof, or as a public client",
        "I02": "Unknown, expired, revoked and strangers' tokens",
        "I03": "Several revocations at once",
        "I04": "Wrong hints, other clients' and unknown tokens",
        "I05": "What ends with what",
        "I06": "A store that fails while a token is revoked",
        "I07": "JSONP",
        "I08": "UserInfo without a good token, or without its scope",
        "I09": "Answers that are remembered too long",
    },
    "An issuer somewhere else": {
        "A12": "Forged metadata: another issuer's name, endpoints at another origin",
        "K01": "A flood of tokens with unknown kids",
        "K02": "An issuer that is down, slow, redirects, or answers nonsense without end",
        "K03": "URLs of other schemes and other hosts",
        "K04": "Many who look for the same new key at once",
    },
    "Keys": {
        "K05": "Published sets with bad, private, symmetric or repeated keys",
        "X01": "Rotation under load",
        "X02": "Emergency removal",
        "X03": "Two processes rotate at once",
        "X04": "Private members in what is published, logged or shown",
        "X05": "Poor secrets, or none",
    },
    "HTTP, logs and stores": {
        "H02": "Two Authorization headers, two tokens",
        "H03": "Headers that claim an identity",
        "H04": "Forged hosts",
        "H06": "Other schemes and spaces",
        "L01": "Secrets in logs, events, messages, tracebacks and reprs",
        "L02": "Forged log lines",
        "L03": "Details of a failure in an answer",
        "L04": "Something that matters and leaves no event",
        "O01": "Other origins",
        "O02": "Answers in caches",
        "D01": "A store that fails at any call of any flow",
        "D03": "A process that dies between two steps",
        "D04": "Injection, other case, trailing spaces in names",
        "D06": "A dump of the stores",
    },
}
"""What must be withstood. A test names it, ``test_j01_...``."""

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_MARKERS: Final = frozenset({"rfc", "openid"})

Proofs: TypeAlias = dict[Rule | str, list[str]]
"""For each rule, module and attack its tests, as ``path::name`` from the root."""


def listed() -> set[Rule | str]:
    """The rules, modules and attacks of the manifest."""
    rules = {(number, section) for (number, _), rules in RULES.items() for section in rules}
    others = (*MODULES.values(), *ATTACKS.values())
    return rules | {name for names in others for name in names}


def collect() -> Proofs:
    """Read the names and markers of all tests. Nothing is imported, so no framework need be there.

    Raises:
        ValueError: A marker that no test carries.
    """
    proofs: Proofs = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = path.relative_to(ROOT).as_posix()
        markers = {id(call) for call in _markers(tree)}
        for test, marks in _tests(tree.body, _constants(tree)):
            calls = [call for mark in marks for call in _markers(mark)]
            markers.difference_update(map(id, calls))
            for proven in dict.fromkeys([*map(_proven, calls), *_attacks(test)]):
                proofs[proven].append(f"{name}::{test}")
        if markers:
            raise ValueError(f"{name}: a marker that belongs to no test")
    return dict(proofs)


def _tests(body: list[ast.stmt], constants: dict[str, ast.expr]) -> Iterator[_Test]:
    """All tests with what marks them: decorators, those of the class, the constants they name."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            for test, marks in _tests(node.body, constants):
                yield f"{node.name}::{test}", [*node.decorator_list, *marks]
        elif isinstance(node, _FUNCTIONS) and node.name.startswith("test_"):
            arguments = [
                argument
                for mark in node.decorator_list
                if isinstance(mark, ast.Call)
                for argument in mark.args
            ]
            named = [
                constants[argument.id]
                for argument in arguments
                if isinstance(argument, ast.Name) and argument.id in constants
            ]
            yield node.name, [*node.decorator_list, *named]


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """What a module's names are assigned to: tables of parameters may carry markers, too."""
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _markers(node: ast.AST) -> Iterator[ast.Call]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and _MARKERS.intersection(
            (getattr(call.func, "attr", None), getattr(call.func, "id", None))
        ):
            yield call


def _proven(call: ast.Call) -> Rule | str:
    """``rfc(number, section)`` or ``openid(module)``."""
    name, *section = (str(ast.literal_eval(argument)) for argument in call.args)
    return (name, section[0]) if section else name


def _attacks(test: str) -> list[str]:
    """``test_j01_j02_...`` withstands both."""
    names = re.match(r"test((?:_[a-z][0-9]{2})*)_", test.rpartition("::")[2])
    return names[1].upper().split("_")[1:] if names else []


def page(proofs: Proofs) -> str:
    """The page, in Markdown."""
    lines = [
        "# Conformance",
        "",
        "What Bezant promises of each standard, what it withstands, and the tests that prove it.",
        "Those in `tests/contract` run in every framework.",
        "",
        "Written by `python -m tests.conformance`; a test fails when this page is out of date.",
    ]
    for (number, title), rules in sorted(RULES.items(), key=lambda item: int(item[0][0])):
        lines += _table(f"RFC {number}: {title}", "section", "rule")
        for section, rule in rules.items():
            anchor = "appendix" if section[0].isalpha() else "section"
            link = f"[{section}](https://www.rfc-editor.org/rfc/rfc{number}#{anchor}-{section})"
            lines.append(_row(link, rule, proofs.get((number, section), [])))
    for plan, modules in MODULES.items():
        lines += _table(f"OpenID Foundation conformance modules: {plan}", "module", "demand")
        for module, demand in modules.items():
            lines.append(_row(f"`{module}`", demand, proofs.get(module, [])))
    for topic, attacks in ATTACKS.items():
        lines += _table(f"Attacks: {topic.lower()}", "name", "attack")
        lines += [_row(name, attack, proofs.get(name, [])) for name, attack in attacks.items()]
    return "\n".join(lines) + "\n"


def _table(title: str, first: str, second: str) -> list[str]:
    return ["", f"## {title}", "", f"| {first} | {second} | proven by |", "|---|---|---|"]


def _row(first: str, second: str, tests: list[str]) -> str:
    links = (f"[{name}](../{path})" for path, _, name in (test.partition("::") for test in tests))
    return f"| {first} | {second} | {'<br>'.join(links)} |"


if __name__ == "__main__":
    PAGE.write_text(page(collect()), encoding="utf-8")

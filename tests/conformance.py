"""Which tests prove which rules: a manifest, and the page that is made from it.

A test names the rules that it proves, ``@pytest.mark.rfc("6749", "5.2")``. `RULES` lists what must be
proven. ``python -m tests.conformance`` writes the page; a test fails when a rule lacks a proof, a
marker names a rule that is not listed, or the page is out of date.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from typing import Final, TypeAlias

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "conformance.md"

Rule: TypeAlias = tuple[str, str]
"""The number of an RFC and a section of it."""

RULES: Final[dict[tuple[str, str], dict[str, str]]] = {
    ("6749", "The OAuth 2.0 Authorization Framework"): {
        "1.5": "A refresh token is given to those who may use it",
        "2.3": "A client authenticates by one method at a time",
        "2.3.1": "Client passwords: HTTP Basic with form-encoded parts, or in the body, never the URL",
        "3.2": "The token endpoint takes POST, no parameter twice, empty as absent, unknown ignored",
        "3.2.1": "A client acts for itself alone, whoever it names",
        "3.3": "Scopes: case-sensitive names in any order; the answer says what was given",
        "4.3.2": "Password grant: the request, behind protection against guessing",
        "4.3.3": "Password grant: the answer",
        "4.4.3": "Client credentials: the answer has no refresh token",
        "4.5": "Grants of one's own",
        "5.1": "The answer with tokens, never to be stored",
        "5.2": "Every error: its code, its status, its challenge",
        "6": "Refreshing: bound to the client, scopes never wider than first given",
        "10.4": "A refresh token cannot be forged or used by another client",
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
    },
    ("9700", "Best Current Practice for OAuth 2.0 Security"): {
        "4.14.2": "Refresh tokens rotate; the reuse of one ends all of its sign-in",
        "4.15": "A client cannot pose as a resource owner, nor the other way round",
    },
    ("9728", "OAuth 2.0 Protected Resource Metadata"): {
        "5.1": "Challenges name the metadata of the resource",
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

Proofs: TypeAlias = dict[Rule, list[str]]
"""For each rule its tests, as ``path::name`` from the root."""


def listed() -> set[Rule]:
    """The rules of the manifest."""
    return {(number, section) for (number, _), rules in RULES.items() for section in rules}


def collect() -> Proofs:
    """Read all markers in all tests. Nothing is imported, so no framework need be installed.

    Raises:
        ValueError: A marker that cannot be read, or that no test carries.
    """
    proofs: Proofs = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = path.relative_to(ROOT).as_posix()
        carried = list(_in_body(tree.body, []))
        for test, rules in carried:
            for rule in rules:
                proofs[rule].append(f"{name}::{test}")
        if len(_markers(tree)) > len({id(c) for c in _calls_in_reach(tree.body)}):
            raise ValueError(f"{name}: an rfc marker that belongs to no test")
    return dict(proofs)


def _in_body(
    body: list[ast.stmt], inherited: list[Rule], prefix: str = ""
) -> list[tuple[str, list[Rule]]]:
    found = []
    common = inherited + [rule for node in body if _is_pytestmark(node) for rule in _rules(node)]
    for node in body:
        if isinstance(node, ast.ClassDef):
            own = common + [rule for mark in node.decorator_list for rule in _rules(mark)]
            found += _in_body(node.body, own, f"{prefix}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            own = common + [rule for mark in node.decorator_list for rule in _rules(mark)]
            found.append((prefix + node.name, list(dict.fromkeys(own))))
    return found


def _is_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    )


def _calls_in_reach(body: list[ast.stmt]) -> list[ast.Call]:
    calls = []
    for node in body:
        if isinstance(node, ast.ClassDef):
            calls += _calls_in_reach(node.body)
        if _is_pytestmark(node):
            calls += _markers(node)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            calls += [call for mark in node.decorator_list for call in _markers(mark)]
    return calls


def _markers(node: ast.AST) -> list[ast.Call]:
    return [
        call
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "rfc"
    ]


def _rules(node: ast.AST) -> list[Rule]:
    rules = []
    for call in _markers(node):
        number, section = (ast.literal_eval(argument) for argument in call.args)
        rules.append((str(number), str(section)))
    return rules


def page(proofs: Proofs) -> str:
    """The page, in Markdown."""
    lines = [
        "# Conformance",
        "",
        "What Bezant promises of each standard, and the tests that prove it in every framework.",
        "Written by `python -m tests.conformance`; a test fails when this page and the tests differ.",
    ]
    for (number, title), rules in sorted(RULES.items(), key=lambda item: int(item[0][0])):
        lines += [
            "",
            f"## RFC {number}: {title}",
            "",
            "| section | rule | proven by |",
            "|---|---|---|",
        ]
        for section, rule in rules.items():
            where = "appendix" if section[0].isalpha() else "section"
            link = f"https://www.rfc-editor.org/rfc/rfc{number}#{where}-{section}"
            tests = "<br>".join(map(_link, proofs.get((number, section), [])))
            lines.append(f"| [{section}]({link}) | {rule} | {tests} |")
    return "\n".join(lines) + "\n"


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name}](../{path})"


if __name__ == "__main__":
    PAGE.write_text(page(collect()), encoding="utf-8")

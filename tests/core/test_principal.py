"""Principals, and the algebra of what resources demand of them."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.errors import (
    BearerError,
    ConfigurationError,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidToken,
)
from bezant.principal import Principal, Requirement

NOW = 1_800_000_000

CLAIMS: dict[str, Any] = {
    "iss": "https://id.example.com",
    "sub": "alice-1",
    "aud": "https://api.example.com",
    "exp": NOW + 600,
    "iat": NOW,
    "jti": "token-1",
    "client_id": "web",
    "scope": "items:read items:write",
    "auth_time": NOW - 30,
    "sid": "authorization-1",
    "roles": ["editor"],
    "permissions": ["items.delete"],
}

names = st.sampled_from(["a", "b", "c", "a:b"])
sets = st.frozensets(names, max_size=3)
requirements = st.builds(
    lambda scopes, permission, role, any_of, fresh: Requirement(
        *scopes, permission=permission, role=role, any_of=any_of, fresh=fresh
    ),
    sets,
    sets,
    sets,
    sets,
    st.none() | st.integers(1, 100),
)
principals = st.builds(
    Principal,
    subject=st.just("alice"),
    scopes=sets,
    permissions=sets,
    roles=sets,
    auth_time=st.none() | st.integers(NOW - 120, NOW),
)


def demands(requirement: Requirement) -> tuple[object, ...]:
    return tuple(getattr(requirement, name) for name in Requirement.__slots__)


def passes(requirement: Requirement, principal: Principal, now: float = NOW) -> bool:
    try:
        requirement.check(principal, now)
    except BearerError:
        return False
    return True


def merge(one: Requirement, other: Requirement) -> Requirement | None:
    try:
        return one | other
    except ConfigurationError:
        return None


# ---- principals ----------------------------------------------------------------------------


@pytest.mark.rfc("9068", "2.2")
def test_a_principal_is_what_the_claims_say() -> None:
    principal = Principal.from_claims(CLAIMS)
    assert principal == Principal(
        subject="alice-1",
        client_id="web",
        scopes=frozenset({"items:read", "items:write"}),
        permissions=frozenset({"items.delete"}),
        roles=frozenset({"editor"}),
        audience=("https://api.example.com",),
        expires_at=NOW + 600,
        auth_time=NOW - 30,
        token_id="token-1",
        session_id="authorization-1",
        claims=CLAIMS,
    )
    assert not principal.is_client
    assert hash(principal) == hash(Principal.from_claims(dict(CLAIMS)))


@pytest.mark.rfc("9068", "2.2")
def test_claims_that_may_be_absent() -> None:
    optional = {"scope", "auth_time", "sid", "roles", "permissions"}
    bare = {name: value for name, value in CLAIMS.items() if name not in optional}
    principal = Principal.from_claims({**bare, "aud": ["a", "b"], "sub": "web"})
    assert principal.scopes == principal.permissions == principal.roles == frozenset()
    assert principal.auth_time is None
    assert principal.session_id is None
    assert principal.audience == ("a", "b")
    assert principal.is_client
    assert Principal.from_claims({**CLAIMS, "scope": ""}).scopes == frozenset()


@pytest.mark.parametrize(
    "claim",
    [
        {"scope": ["items:read"]},
        {"scope": {"items:read": True}},
        {"scope": 1},
        {"scope": True},
        {"scope": "items:read\titems:write"},
        {"scope": "items:read  items:write"},
        {"scope": " "},
        {"scope": 'items:"read"'},
        {"scope": "items:read\0"},
        {"roles": "editor"},
        {"roles": ["editor", 1]},
        {"roles": {"editor": 1}},
        {"permissions": "items.delete"},
        {"permissions": [["items.delete"]]},
        {"permissions": False},
    ],
    ids=str,
)
def test_j31_a_malformed_claim_is_refused_without_quoting_it(claim: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken) as caught:
        Principal.from_claims({**CLAIMS, **claim})
    assert next(iter(claim)) in caught.value.detail
    assert "items" not in f"{caught.value} {caught.value.detail}"
    assert "items" not in caught.value.description


@pytest.mark.parametrize("auth_time", [True, 1.5, "1800000000", None, [NOW]])
def test_a_sign_in_time_that_is_no_integer_is_no_sign_in(auth_time: object) -> None:
    principal = Principal.from_claims({**CLAIMS, "auth_time": auth_time})
    assert principal.auth_time is None
    assert not passes(Requirement(fresh=10**10), principal)


@pytest.mark.rfc("6749", "3.3")
def test_j31_a_scope_is_itself_and_no_part_of_it() -> None:
    principal = Principal.from_claims({**CLAIMS, "scope": "read:all items"})
    assert principal.has("read:all")
    assert principal.has("read:all", "items")
    assert principal.has()
    for scope in "read", "read:", "read:all items", "all", "item", "READ:ALL", "":
        assert not principal.has(scope)
    assert not principal.has("items", "read")


def test_a_principal_cannot_be_changed() -> None:
    principal = Principal.from_claims(dict(CLAIMS))
    with pytest.raises(FrozenInstanceError):
        principal.subject = "root"  # type: ignore[misc]
    with pytest.raises(TypeError):
        principal.claims["sub"] = "root"  # type: ignore[index]


def test_l01_the_repr_names_subject_and_client_only() -> None:
    principal = Principal.from_claims({**CLAIMS, "email": "alice@example.com"})
    assert repr(principal) == "Principal(subject='alice-1', client_id='web')"


# ---- the algebra of requirements -----------------------------------------------------------


@given(requirements, requirements)
def test_or_is_commutative(one: Requirement, other: Requirement) -> None:
    ab, ba = merge(one, other), merge(other, one)
    assert (ab is None) is (ba is None)
    if ab is not None and ba is not None:
        assert demands(ab) == demands(ba)


@given(requirements)
def test_or_is_idempotent_and_nothing_is_neutral(one: Requirement) -> None:
    assert demands(one | one) == demands(one)
    assert demands(one | Requirement()) == demands(one)
    assert demands(Requirement() | one) == demands(one)


@given(requirements, requirements, requirements)
def test_or_is_associative(a: Requirement, b: Requirement, c: Requirement) -> None:
    ab, bc = merge(a, b), merge(b, c)
    left = ab and merge(ab, c)
    right = bc and merge(a, bc)
    assert (left is None) is (right is None)
    if left is not None and right is not None:
        assert demands(left) == demands(right)


@given(requirements, requirements, principals)
def test_both_demands_together_pass_who_passes_each(
    one: Requirement, other: Requirement, principal: Principal
) -> None:
    both = merge(one, other)
    if both is not None:
        assert passes(both, principal) is (passes(one, principal) and passes(other, principal))


@given(requirements, requirements)
def test_merging_changes_neither(one: Requirement, other: Requirement) -> None:
    before = demands(one), demands(other)
    merge(one, other)
    assert (demands(one), demands(other)) == before


def test_two_different_choices_cannot_be_merged() -> None:
    with pytest.raises(ConfigurationError, match="any_of"):
        Requirement(any_of=["a"]) | Requirement(any_of=["b"])


@given(requirements)
def test_who_has_everything_passes_everything(requirement: Requirement) -> None:
    everything = frozenset({"a", "b", "c", "a:b"})
    richer = Principal(
        subject="alice",
        scopes=everything,
        permissions=everything,
        roles=everything,
        auth_time=NOW,
    )
    assert passes(requirement, richer)


# ---- what is demanded ----------------------------------------------------------------------


alice = Principal(
    subject="alice",
    scopes=frozenset({"items:read", "items:write"}),
    permissions=frozenset({"items.delete", "items.export"}),
    roles=frozenset({"editor", "author"}),
    auth_time=NOW - 60,
)


@pytest.mark.parametrize(
    "requirement",
    [
        Requirement(),
        Requirement("items:read"),
        Requirement("items:read", "items:write"),
        Requirement(any_of=["nothing", "items:read"]),
        Requirement(permission="items.delete"),
        Requirement(permission=["items.delete", "items.export"]),
        Requirement(role="editor"),
        Requirement(role={"editor", "author"}),
        Requirement(fresh=60),
        Requirement("items:read", permission="items.delete", role="editor", fresh=61),
    ],
)
def test_who_has_all_that_is_demanded_passes(requirement: Requirement) -> None:
    requirement.check(alice, NOW)


@pytest.mark.rfc("6750", "3.1")
@pytest.mark.parametrize(
    ("requirement", "description", "challenge"),
    [
        (Requirement("admin"), "the scope admin", "admin"),
        (Requirement("items:read", "admin"), "the scope admin items:read", "admin items:read"),
        (Requirement("items"), "the scope items", "items"),
        (Requirement("items:read:x"), "the scope items:read:x", "items:read:x"),
        (Requirement(any_of=["x", "admin"]), "one scope of admin x", "admin x"),
        (Requirement(permission="items.drop"), "the permission items.drop", None),
        (
            Requirement(permission=["items.drop", "items.delete"]),
            "the permission items.delete items.drop",
            None,
        ),
        (Requirement(permission=""), "the permission ", None),
        (Requirement(role="admin"), "the role admin", None),
        (Requirement(role=("editor", "admin")), "the role admin editor", None),
    ],
)
def test_who_lacks_something_is_told_what(
    requirement: Requirement, description: str, challenge: str | None
) -> None:
    with pytest.raises(InsufficientScope) as caught:
        requirement.check(alice, NOW)
    assert caught.value.status == 403
    assert caught.value.description == f"this needs {description}"
    assert caught.value.attributes == ((("scope", challenge),) if challenge else ())


@pytest.mark.parametrize("name", ['a"b', "a\\b", "löschen", "a\r\nx-evil: 1"])
def test_a_name_that_fits_no_header_is_not_put_into_one(name: str) -> None:
    for requirement in Requirement(permission=name), Requirement(role=name):
        with pytest.raises(InsufficientScope) as caught:
            requirement.check(alice, NOW)
        assert all(" " <= c <= "~" and c not in '"\\' for c in caught.value.description)


@pytest.mark.rfc("9470", "3")
@pytest.mark.parametrize("auth_time", [None, 0, NOW - 61])
def test_a_sign_in_too_long_ago_is_asked_for_again(auth_time: int | None) -> None:
    principal = Principal(subject="alice", auth_time=auth_time)
    with pytest.raises(InsufficientAuthentication) as caught:
        Requirement(fresh=60).check(principal, NOW)
    assert caught.value.attributes == (("max_age", "60"),)


@pytest.mark.rfc("9470", "3")
def test_the_stricter_of_two_sign_in_ages_holds() -> None:
    for both in (
        Requirement(fresh=60) | Requirement(fresh=30),
        Requirement(fresh=30) | Requirement(fresh=60),
    ):
        assert both.fresh == 30
        assert not passes(both, alice)


@pytest.mark.parametrize("scope", ["", "a b", "é", 'a"', "a\n", 1, None, ["a"], ("a", "b")])
def test_a_scope_that_is_not_one_is_refused_at_set_up(scope: Any) -> None:
    with pytest.raises(ConfigurationError, match="require"):
        Requirement(scope)
    with pytest.raises(ConfigurationError, match="require"):
        Requirement(any_of=[scope])


def test_one_string_is_no_list_of_scopes() -> None:
    with pytest.raises(ConfigurationError, match="any_of"):
        Requirement(any_of="abc")


@pytest.mark.parametrize("fresh", [0, -1])
def test_an_age_that_nobody_can_have_is_refused(fresh: int) -> None:
    with pytest.raises(ConfigurationError, match="fresh"):
        Requirement(fresh=fresh)


def test_any_iterable_of_scopes_will_do() -> None:
    assert Requirement(any_of=iter(["a", "b"])).any_of == {"a", "b"}

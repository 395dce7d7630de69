"""Who has to be asked before a code is given, by which page, and what a page can change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bezant.errors import InvalidRequest
from tests.api import answer_of, error_of, error_page_of, interaction_of, page_of
from tests.jose import parts
from tests.world import ACCOUNT_PAGE, CALLBACK, CONSENT_PAGE, LOGIN_PAGE

if TYPE_CHECKING:
    from tests.api import Api
    from tests.world import World

rfc = pytest.mark.rfc
openid = pytest.mark.openid

ALL = ("openid", "items:read")


@pytest.fixture
def config() -> dict[str, Any]:
    return {"code_flow": True}


def id_token(api: Api, code: str, client: str = "portal") -> dict[str, Any]:
    answer = api.redeem(code, client)
    assert answer.status == 200
    claims: dict[str, Any] = parts(answer.json()["id_token"])[1]
    return claims


# ---- prompt ----------------------------------------------------------------------------------


@openid("oidcc-prompt-none-not-logged-in")
@openid("oidcc-prompt-none-logged-in")
def test_a16_prompt_none_asks_nobody(api: Api, world: World) -> None:
    assert error_of(api.authorize("portal", prompt="none")) == "login_required"
    world.sign_in()
    world.clock.advance(100)
    first = id_token(api, api.code("portal"))
    world.clock.advance(100)
    silent = id_token(api, api.code("portal", prompt="none"))
    assert (silent["sub"], silent["auth_time"]) == (first["sub"], first["auth_time"])
    # Somebody else's application needs a consent.
    assert error_of(api.authorize("app", prompt="none")) == "consent_required"
    assert error_of(api.authorize("app", prompt="none", max_age="5")) == "login_required"
    world.remember("user-alice", "app", *ALL)
    assert "code" in answer_of(api.authorize("app", prompt="none"))
    wider = api.authorize("app", prompt="none", scope="openid items:read items:write")
    assert error_of(wider) == "consent_required"
    world.sign_out()
    assert error_of(api.authorize("app", prompt="none")) == "login_required"


@openid("oidcc-prompt-login")
def test_a16_prompt_login_asks_again_and_then_no_more(api: Api, world: World) -> None:
    world.sign_in()
    world.clock.advance(10)
    earlier = id_token(api, api.code("portal"))
    answer = api.authorize("portal", prompt="login")
    assert page_of(answer) == LOGIN_PAGE
    interaction = interaction_of(answer)
    # Coming back without having signed in leads to the page again, every time.
    for _ in range(3):
        world.clock.advance(10)
        assert page_of(api.resume(interaction)) == LOGIN_PAGE
    world.sign_in(session="session-2")
    world.clock.advance(60)  # however long the person takes to come back
    claims = id_token(api, answer_of(api.resume(interaction))["code"])
    assert claims["auth_time"] == earlier["auth_time"] + 40
    assert claims["sid"] == "session-2"


def test_a16_a_login_before_the_request_is_none_for_it(api: Api, world: World) -> None:
    world.sign_in()
    world.clock.advance(0.001)
    interaction = api.waiting("portal", prompt="login")
    assert page_of(api.resume(interaction)) == LOGIN_PAGE
    posted = api.post("/oauth/authorize", api.asked("portal", prompt="login"))
    assert page_of(api.resume(interaction_of(posted))) == LOGIN_PAGE


def test_a16_prompt_consent_asks_again_and_then_no_more(api: Api, world: World) -> None:
    world.sign_in()
    world.remember("user-alice", "app", *ALL)
    answer = api.authorize(prompt="consent")
    assert page_of(answer) == CONSENT_PAGE
    interaction = interaction_of(answer)
    assert page_of(api.resume(interaction)) == CONSENT_PAGE
    world.consent(interaction, *ALL)
    assert "code" in answer_of(api.resume(interaction))
    # Of the operator's own clients nobody is asked what they may have, whatever they say.
    assert "code" in answer_of(api.authorize("portal", prompt="consent"))


def test_a16_prompt_login_and_consent_ask_for_both(api: Api, world: World) -> None:
    world.sign_in()
    world.clock.advance(1)
    world.remember("user-alice", "app", *ALL)
    answer = api.authorize(prompt="consent login")
    interaction = interaction_of(answer)
    assert page_of(answer) == LOGIN_PAGE
    world.sign_in(session="session-2")
    assert page_of(api.resume(interaction)) == CONSENT_PAGE
    world.clock.advance(500)
    world.consent(interaction, *ALL)
    assert "code" in answer_of(api.resume(interaction))


@pytest.mark.parametrize("how", ["chosen", "signed-in"])
def test_a16_prompt_select_account_asks_once(api: Api, world: World, how: str) -> None:
    world.sign_in("user-alice")
    world.clock.advance(1)
    answer = api.authorize("portal", prompt="select_account")
    assert page_of(answer) == ACCOUNT_PAGE
    interaction = interaction_of(answer)
    assert page_of(api.resume(interaction)) == ACCOUNT_PAGE
    if how == "chosen":
        world.sign_in("user-bob", "session-2", auth_time=world.clock() - 3600)
        assert world.select(interaction).endswith(interaction)
    else:
        # A page that lets people choose by signing in says no more than that they have.
        world.sign_in("user-bob", "session-2")
    assert id_token(api, answer_of(api.resume(interaction))["code"])["sub"] == "user-bob"


def test_a16_nobody_is_signed_in_who_was_chosen(api: Api, world: World) -> None:
    interaction = api.waiting("portal", prompt="select_account")
    world.select(interaction)
    assert page_of(api.resume(interaction)) == LOGIN_PAGE


# ---- max_age, hints, acr ---------------------------------------------------------------------


@openid("oidcc-max-age-1")
@openid("oidcc-max-age-10000")
def test_a16_max_age(api: Api, world: World) -> None:
    world.sign_in()
    start = int(world.clock())
    world.clock.advance(1)
    assert id_token(api, api.code("portal", max_age="1"))["auth_time"] == start
    world.clock.advance(0.5)
    answer = api.authorize("portal", max_age="1")
    assert page_of(answer) == LOGIN_PAGE
    interaction = interaction_of(answer)
    assert page_of(api.resume(interaction)) == LOGIN_PAGE
    world.clock.advance(1.5)
    world.sign_in(session="session-2")
    world.clock.advance(30)  # the page of the application took its time
    claims = id_token(api, answer_of(api.resume(interaction))["code"])
    assert claims["auth_time"] == start + 3
    assert id_token(api, api.code("portal", max_age="10000"))["auth_time"] == start + 3


def test_a16_max_age_0_is_a_login_each_time(api: Api, world: World) -> None:
    world.sign_in()
    world.clock.advance(0.01)
    interaction = api.waiting("portal", max_age="0")
    assert page_of(api.resume(interaction)) == LOGIN_PAGE
    world.sign_in()
    world.clock.advance(20)
    assert "code" in answer_of(api.resume(interaction))


@openid("oidcc-id-token-hint")
def test_a17_a_hint_is_who_must_be_there(api: Api, world: World) -> None:
    world.sign_in("user-alice")
    tokens = api.redeem(api.code("portal")).json()
    hint = tokens["id_token"]
    world.clock.advance(86400)  # it has expired, and still says whom it was about
    assert "code" in answer_of(api.authorize("portal", prompt="none", id_token_hint=hint))

    world.sign_in("user-bob", "session-2")
    silent = api.authorize("portal", prompt="none", id_token_hint=hint)
    assert error_of(silent) == "login_required"
    world.clock.advance(1)
    answer = api.authorize("portal", id_token_hint=hint)
    assert page_of(answer) == LOGIN_PAGE
    interaction = interaction_of(answer)
    assert page_of(api.resume(interaction)) == LOGIN_PAGE
    # It is bob again, and nothing will make him alice: no more circles.
    world.sign_in("user-bob", "session-3")
    assert error_of(api.resume(interaction)) == "login_required"

    interaction = api.waiting("portal", id_token_hint=hint)
    world.sign_in("user-alice", "session-4")
    assert id_token(api, answer_of(api.resume(interaction))["code"])["sub"] == "user-alice"

    for wrong in (
        tokens["access_token"],
        hint[:-4] + "AAAA",
        "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + hint.split(".")[1] + ".",
    ):
        answer = api.authorize("portal", prompt="none", id_token_hint=wrong)
        assert error_of(answer) == "invalid_request"
    world.remember("user-alice", "app", *ALL)
    others = api.authorize("app", prompt="none", id_token_hint=hint)
    assert error_of(others) == "invalid_request"


def test_a17_sub_in_claims_is_who_must_be_there(api: Api, world: World) -> None:
    """OpenID Connect Core section 5.5.1, and 3.1.2.2."""
    world.sign_in("user-alice")
    world.clock.advance(1)
    alice = json.dumps({"id_token": {"sub": {"value": "user-alice"}}})
    bob = json.dumps({"id_token": {"sub": {"value": "user-bob"}}})
    assert "code" in answer_of(api.authorize("portal", claims=alice))
    assert error_of(api.authorize("portal", claims=bob, prompt="none")) == "login_required"
    assert page_of(api.authorize("portal", claims=bob)) == LOGIN_PAGE
    hint = api.redeem(api.code("portal")).json()["id_token"]
    both = api.authorize("portal", claims=bob, id_token_hint=hint)
    assert error_of(both) == "invalid_request"
    assert "code" in answer_of(api.authorize("portal", claims=alice, id_token_hint=hint))
    # Without openid there is no ID token to speak of.
    assert "code" in answer_of(api.authorize("portal", claims=bob, scope="items:read"))


@rfc("9470", "4")
@openid("oidcc-ensure-request-with-acr-values-succeeds")
def test_a_sign_in_that_is_too_weak_is_stepped_up(api: Api, world: World) -> None:
    strong = json.dumps({"id_token": {"acr": {"essential": True, "values": ["gold", "silver"]}}})
    world.sign_in(acr="bronze")
    world.clock.advance(1)
    # What is wished for need not be there.
    assert id_token(api, api.code("portal", acr_values="gold"))["acr"] == "bronze"
    wished = json.dumps({"id_token": {"acr": {"values": ["gold"]}}})
    assert id_token(api, api.code("portal", claims=wished))["acr"] == "bronze"

    assert error_of(api.authorize("portal", claims=strong, prompt="none")) == "login_required"
    answer = api.authorize("portal", claims=strong)
    assert page_of(answer) == LOGIN_PAGE
    interaction = interaction_of(answer)
    waiting = world.waits(interaction)
    assert waiting is not None
    assert waiting.request.essential_acr == ("gold", "silver")
    assert page_of(api.resume(interaction)) == LOGIN_PAGE
    world.sign_in(acr="silver", amr=("pwd", "otp"))
    claims = id_token(api, answer_of(api.resume(interaction))["code"])
    assert (claims["acr"], claims["amr"]) == ("silver", ["pwd", "otp"])

    interaction = api.waiting("portal", claims=strong.replace("silver", "platinum"))
    world.sign_in(acr=None)
    assert error_of(api.resume(interaction)) == "unmet_authentication_requirements"


@openid("oidcc-login-hint")
@openid("oidcc-ui-locales")
def test_a_page_is_told_what_it_needs(api: Api, world: World) -> None:
    interaction = api.waiting(login_hint="alice@x", ui_locales="zh-CN en", acr_values="1 2")
    waiting = world.waits(interaction)
    assert waiting is not None
    assert (waiting.client.client_id, waiting.login_hint) == ("app", "alice@x")
    assert waiting.request.ui_locales == ("zh-CN", "en")
    assert waiting.request.acr_values == ("1", "2")
    assert waiting.request.scopes == ALL
    assert waiting.created_at == world.clock()
    assert interaction not in repr(waiting)
    assert "alice@x" not in repr(waiting)


# ---- consent ---------------------------------------------------------------------------------


def test_s04_a_consent_to_less_gives_less_and_is_remembered(api: Api, world: World) -> None:
    world.sign_in()
    scope = "openid items:read items:write"
    interaction = api.waiting(scope=scope)
    world.consent(interaction, "openid", "items:read")
    tokens = api.redeem(answer_of(api.resume(interaction))["code"], "app").json()
    assert tokens["scope"] == "openid items:read"
    assert "code" in answer_of(api.authorize(scope="items:read"))
    # What was not given is asked for again, and what was before stays.
    interaction = api.waiting(scope=scope)
    world.consent(interaction, "items:write")
    answer_of(api.resume(interaction))
    assert "code" in answer_of(api.authorize(scope=scope))


def test_s04_a_form_that_was_edited_gives_no_more(api: Api, world: World) -> None:
    world.sign_in()
    interaction = api.waiting(scope="items:read")
    for scopes in ("items:write",), ("items:read", "items:write"), ("openid",), ():
        with pytest.raises(InvalidRequest):
            world.consent(interaction, *scopes)
    assert page_of(api.resume(interaction)) == CONSENT_PAGE
    assert world.stores.consents.get("user-alice", "app") is None


def test_s04_whoever_changed_their_mind_in_time_gets_what_they_said_last(
    api: Api, world: World
) -> None:
    world.sign_in()
    interaction = api.waiting(scope="items:read items:write")
    world.consent(interaction, "items:read")
    world.consent(interaction, "items:read", "items:write")
    tokens = api.redeem(answer_of(api.resume(interaction))["code"], "app").json()
    assert tokens["scope"] == "items:read items:write"


def test_s04_nothing_beside_the_name_of_an_interaction_is_looked_at(api: Api, world: World) -> None:
    world.sign_in()
    interaction = api.waiting(scope="items:read")
    world.consent(interaction, "items:read")
    answer = api.authorize(
        "portal",
        interaction=interaction,
        scope="items:read items:write",
        state="other",
        redirect_uri="https://evil.example/",
        code_challenge="A" * 43,
        resource="https://unknown.example",
    )
    sent = answer_of(answer)
    assert sent["state"] == "state-1"
    assert api.redeem(sent["code"], "app").json()["scope"] == "items:read"


def test_s04_the_consent_of_one_is_none_of_another(api: Api, world: World) -> None:
    world.sign_in("user-alice")
    interaction = api.waiting(scope="items:read items:write")
    world.consent(interaction, "items:read")
    world.sign_in("user-bob", "session-2")
    assert page_of(api.resume(interaction)) == CONSENT_PAGE
    # Bob has given both before; that alice left one out is nothing to him.
    world.remember("user-bob", "app", "items:read", "items:write")
    tokens = api.redeem(answer_of(api.resume(interaction))["code"], "app").json()
    assert tokens["scope"] == "items:read items:write"
    assert parts(tokens["access_token"])[1]["sub"] == "user-bob"


def test_s04_prompt_consent_is_for_whoever_is_there_in_the_end(api: Api, world: World) -> None:
    world.sign_in("user-alice")
    world.remember("user-bob", "app", *ALL)
    interaction = api.waiting(prompt="consent")
    world.consent(interaction, *ALL)
    world.sign_in("user-bob", "session-2")
    assert page_of(api.resume(interaction)) == CONSENT_PAGE


def test_s04_two_tabs_do_not_cross(api: Api, world: World) -> None:
    world.sign_in()
    mine, other = api.waiting("app", state="1"), api.waiting("rival", state="2")
    world.consent(mine, *ALL)
    assert page_of(api.resume(other)) == CONSENT_PAGE
    sent = answer_of(api.resume(mine))
    assert sent["state"] == "1"
    assert api.redeem(sent["code"], "rival").status == 400
    assert api.redeem(sent["code"], "app").status == 200
    assert answer_of(world.deny(other))["error"] == "access_denied"


def test_a_client_that_asks_for_no_scope_is_asked_about(api: Api, world: World) -> None:
    world.sign_in()
    answer = api.authorize("bare-app", scope=None)
    assert page_of(answer) == CONSENT_PAGE
    interaction = interaction_of(answer)
    world.consent(interaction)
    assert api.redeem(answer_of(api.resume(interaction))["code"], "bare-app").status == 200


# ---- refusing, and ends ----------------------------------------------------------------------


@rfc("6749", "4.1.2.1")
def test_whoever_refuses_goes_back_with_access_denied(api: Api, world: World) -> None:
    world.sign_in()
    interaction = api.waiting()
    answer = world.deny(interaction)
    assert error_of(answer) == "access_denied"
    assert answer_of(answer)["state"] == "state-1"


@pytest.mark.parametrize("end", ["denied", "given", "refused"])
def test_s04_what_has_ended_is_not_done_again(api: Api, world: World, end: str) -> None:
    if end == "refused":
        answer = api.post("/oauth/authorize", api.asked(prompt="none"))
        interaction = interaction_of(answer)
        assert error_of(api.resume(interaction)) == "login_required"
        world.sign_in()
    else:
        world.sign_in()
        interaction = api.waiting()
    if end == "denied":
        world.deny(interaction)
    elif end == "given":
        world.consent(interaction, *ALL)
        answer_of(api.resume(interaction))
    before = world.stores.consents.get("user-alice", "app")
    for _ in range(2):
        status, text = error_page_of(api.resume(interaction))
        assert (status, "begin again" in text) == (400, True)
    for again in (
        lambda: world.deny(interaction),
        lambda: world.consent(interaction, *ALL),
        lambda: world.select(interaction),
    ):
        with pytest.raises(InvalidRequest):
            again()
    assert world.waits(interaction) is None
    # Not even a consent for another time.
    assert world.stores.consents.get("user-alice", "app") == before


def test_an_interaction_waits_for_half_an_hour(api: Api, world: World) -> None:
    early, late = api.waiting("portal"), api.waiting("portal")
    world.clock.advance(1000)
    assert page_of(api.resume(late)) == LOGIN_PAGE  # which does not put off the end
    world.clock.advance(799)
    world.sign_in()
    assert "code" in answer_of(api.resume(early))
    world.clock.advance(1)
    assert error_page_of(api.resume(late))[0] == 400
    assert world.waits(late) is None


@pytest.mark.parametrize(
    "name",
    ["x", "A" * 43, "A" * 5000, "\u00e9", "../login", "urn:ietf:params:oauth:request_uri:x"],
    ids=lambda name: ascii(name)[:20],
)
def test_a_name_that_nothing_has_leads_nowhere(api: Api, world: World, name: str) -> None:
    world.sign_in()
    assert error_page_of(api.resume(name))[0] == 400
    assert world.waits(name) is None


def test_no_other_kind_of_thing_passes_for_an_interaction(api: Api, world: World) -> None:
    world.sign_in()
    code = api.code("portal")
    logout = interaction_of(api.get("/oauth/logout"))
    for other in code, logout:
        assert error_page_of(api.resume(other))[0] == 400
        assert world.waits(other) is None
        with pytest.raises(InvalidRequest):
            world.deny(other)
        with pytest.raises(InvalidRequest):
            world.consent(other, "openid")
    assert api.redeem(code).status == 200
    assert api.redeem(api.waiting("app"), "app").json()["error"] == "invalid_grant"


@rfc("9700", "4.11.2")
@pytest.mark.parametrize(
    "change",
    [
        {"active": False},
        {"redirect_uris": ("https://moved.example.com/callback",)},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("prompt", [None, "none"])
def test_a01_what_was_proven_once_is_proven_again(
    api: Api, world: World, change: dict[str, Any], prompt: str | None
) -> None:
    """The client was disabled, or has lost the address, while its request waited."""
    answer = api.post("/oauth/authorize", api.asked("portal", prompt=prompt))
    interaction = interaction_of(answer)
    world.change_client("portal", **change)
    if prompt is None:
        world.sign_in()
    assert error_page_of(api.resume(interaction))[0] == 400
    assert world.waits(interaction) is None
    with pytest.raises(InvalidRequest):
        world.deny(interaction)
    world.change_client("portal", active=True, redirect_uris=(CALLBACK,))
    assert api.resume(interaction).header("location") is not None


def test_a_client_is_first_party_or_not_when_it_comes_to_it(api: Api, world: World) -> None:
    interaction = api.waiting("portal")
    world.change_client("portal", first_party=False)
    world.sign_in()
    assert page_of(api.resume(interaction)) == CONSENT_PAGE

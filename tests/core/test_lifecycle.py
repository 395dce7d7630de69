"""The life of sign-ins against a model of it: whatever is done in whatever order, both agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, precondition, rule

from bezant.runtime import SYNC
from tests.api import Api
from tests.harness.bare import App
from tests.world import make_world

ABSOLUTE, IDLE, WINDOW, ACCESS, LEEWAY = 2000.0, 1500.0, 10.0, 600.0, 10.0


@dataclass
class SignIn:
    """What the model knows of one sign-in."""

    user: str
    client: str
    scopes: frozenset[str]
    absolute_end: float
    idle_end: float
    rotated_at: float
    refresh_tokens: list[str] = field(default_factory=list)
    access_tokens: list[tuple[str, float]] = field(default_factory=list)
    """With the time of issue."""
    ended: bool = False

    def alive(self, now: float) -> bool:
        return not self.ended and now < min(self.absolute_end, self.idle_end)


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """What leaves most things alive, so that there is something to do with them."""
    return st.sampled_from([usual] * 2 * len(others) + list(others))


class Life(RuleBasedStateMachine):
    sign_ins = Bundle("sign_ins")

    def __init__(self) -> None:
        super().__init__()
        self.world = make_world(
            refresh_token_ttl=int(ABSOLUTE),
            refresh_idle_ttl=int(IDLE),
            refresh_retry_window=int(WINDOW),
            access_token_ttl=int(ACCESS),
            leeway=int(LEEWAY),
        )
        self.api = Api(App(self.world.server))
        self.disabled: set[str] = set()
        self.revoked_access: set[str] = set()
        self.all: list[SignIn] = []

    def teardown(self) -> None:
        self.world.server.close()

    @property
    def now(self) -> float:
        return self.world.clock()

    @precondition(lambda self: len(self.all) < 5)
    @rule(
        target=sign_ins,
        user=st.sampled_from(["alice", "bob"]),
        client=st.sampled_from(["web", "spa"]),
        scope=st.sampled_from([None, "items:read", "items:read items:write"]),
    )
    def sign_in(self, user: str, client: str, scope: str | None) -> SignIn:
        answer = self.api.login(client, user, scope=scope)
        made = SignIn(
            user,
            client,
            frozenset((scope or "items:read items:write").split()),
            self.now + ABSOLUTE,
            self.now + IDLE,
            self.now,
        )
        if user in self.disabled:
            assert answer.status == 400
            made.ended = True
            made.refresh_tokens.append("bzr_none")
            return made
        document = answer.json()
        made.refresh_tokens.append(document["refresh_token"])
        made.access_tokens.append((document["access_token"], self.now))
        self.all.append(made)
        return made

    @rule(
        sign_in=sign_ins,
        back=mostly(0, 1, 1, 2, 3),
        scope=mostly(None, "items:read", "items:write"),
        thief=mostly(False, True),
        when=mostly("now", "later", "window", "idle", "absolute"),
        early=st.booleans(),
    )
    def refresh(
        self, sign_in: SignIn, back: int, scope: str | None, thief: bool, when: str, early: bool
    ) -> None:
        """Send one of its refresh tokens, the newest or an older one, now or when time runs out."""
        moment = {
            "now": self.now,
            "later": self.now + 900,
            "window": sign_in.rotated_at + WINDOW,
            "idle": sign_in.idle_end,
            "absolute": sign_in.absolute_end,
        }[when]
        self.world.clock.advance(max(0.0, moment - (0.5 if early else 0.0) - self.now))
        back = min(back, len(sign_in.refresh_tokens) - 1)
        token = sign_in.refresh_tokens[-1 - back]
        client = {"web": "spa", "spa": "web"}[sign_in.client] if thief else sign_in.client
        answer = self.api.refresh(token, client, scope=scope)
        if thief or token == "bzr_none":
            assert answer.status == 400
            return
        if scope is not None and scope not in sign_in.scopes:
            assert answer.json()["error"] == "invalid_scope"
            return
        if not sign_in.alive(self.now):
            assert answer.json()["error"] == "invalid_grant"
            return
        retried = back == 1 and self.now - sign_in.rotated_at < WINDOW
        if (back and not retried) or sign_in.user in self.disabled:
            assert answer.json()["error"] == "invalid_grant"
            sign_in.ended = True
            return
        document = answer.json()
        assert set(document["scope"].split()) == ({scope} if scope else sign_in.scopes)
        if retried:
            assert document["refresh_token"] == sign_in.refresh_tokens[-1]
        else:
            assert document["refresh_token"] not in sign_in.refresh_tokens
            sign_in.refresh_tokens.append(document["refresh_token"])
            sign_in.rotated_at = self.now
            sign_in.idle_end = self.now + IDLE
        sign_in.access_tokens.append((document["access_token"], self.now))

    @rule(sign_in=sign_ins, which=st.integers(0, 3), thief=st.booleans(), really=mostly(False, True))
    def revoke_refresh_token(
        self, sign_in: SignIn, which: int, thief: bool, really: bool
    ) -> None:
        if not really:
            return
        token = sign_in.refresh_tokens[which % len(sign_in.refresh_tokens)]
        client = {"web": "spa", "spa": "web"}[sign_in.client] if thief else sign_in.client
        assert self.api.revoke(token, client).status == 200
        if not thief:
            sign_in.ended = True

    @rule(sign_in=sign_ins, which=st.integers(0, 3))
    def revoke_access_token(self, sign_in: SignIn, which: int) -> None:
        if sign_in.access_tokens:
            token, _ = sign_in.access_tokens[which % len(sign_in.access_tokens)]
            assert self.api.revoke(token, sign_in.client).status == 200
            self.revoked_access.add(token)

    @rule(sign_in=sign_ins, really=mostly(False, True))
    def disable_or_enable(self, sign_in: SignIn, really: bool) -> None:
        if not really and sign_in.user not in self.disabled:
            return
        self.disabled ^= {sign_in.user}
        self.world.change_user(
            f"user-{sign_in.user}", active=sign_in.user not in self.disabled
        )

    @rule()
    def purge(self) -> None:
        self.world.elsewhere(lambda server: server.purge(SYNC))

    @rule(sign_in=sign_ins, after=mostly(0, 0.5, 609.5))
    def look(self, sign_in: SignIn, after: float) -> None:
        """Ask the issuer and a resource server what is live."""
        self.world.clock.advance(after)
        if sign_in.client == "web":
            *spent, newest = sign_in.refresh_tokens
            assert self.api.is_active(newest, "web") is sign_in.alive(self.now)
            assert not any(self.api.is_active(token, "web") for token in spent)
        for access, issued_at in sign_in.access_tokens:
            alive = (
                not sign_in.ended
                and access not in self.revoked_access
                and self.now < int(issued_at) + ACCESS + LEEWAY
            )
            assert (self.api.get("/whoami", token=access).status == 200) is alive
            assert self.api.is_active(access) is alive


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=30)

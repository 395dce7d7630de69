"""The life of sign-ins against a model of it: whatever is done in whatever order, both agree."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from bezant.runtime import SYNC
from tests.api import Api
from tests.harness.bare import App
from tests.world import make_world

ABSOLUTE, IDLE, WINDOW, ACCESS, LEEWAY = 2000, 1500, 10, 600, 10
BOTH = frozenset({"items:read", "items:write"})
OTHER = {"web": "spa", "spa": "web"}

moments = st.sampled_from(["later", "window", "idle", "absolute"])


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


class Life(RuleBasedStateMachine):
    sign_ins = Bundle("sign_ins")

    def __init__(self) -> None:
        super().__init__()
        self.world = make_world(
            refresh_token_ttl=ABSOLUTE,
            refresh_idle_ttl=IDLE,
            refresh_retry_window=WINDOW,
            access_token_ttl=ACCESS,
            leeway=LEEWAY,
        )
        self.api = Api(App(self.world.server))
        self.disabled: set[str] = set()
        self.revoked: set[str] = set()
        self.made = 0

    def teardown(self) -> None:
        self.world.server.close()

    @property
    def now(self) -> float:
        return self.world.clock()

    # ---- what people and clients do ----------------------------------------------------------

    @initialize(target=sign_ins, client=st.sampled_from(["web", "spa"]))
    def first_sign_in(self, client: str) -> SignIn:
        return self.sign_in("alice", client, BOTH)

    @precondition(lambda self: self.made < 4)
    @rule(
        target=sign_ins,
        user=st.sampled_from(["alice", "bob"]),
        client=st.sampled_from(["web", "spa"]),
        scopes=st.sampled_from([BOTH, frozenset({"items:read"})]),
    )
    def sign_in(self, user: str, client: str, scopes: frozenset[str]) -> SignIn:
        answer = self.api.login(client, user, scope=" ".join(sorted(scopes)))
        ends = self.now + ABSOLUTE, self.now + IDLE
        made = SignIn(user, client, scopes, *ends, rotated_at=self.now)
        if user in self.disabled:
            assert answer.status == 400
            made.ended = True
            made.refresh_tokens.append("none was given")
        else:
            document = answer.json()
            made.refresh_tokens.append(document["refresh_token"])
            made.access_tokens.append((document["access_token"], self.now))
        self.made += 1
        return made

    @rule(sign_in=sign_ins, scope=st.sampled_from([None, "items:read", "items:write"]))
    def renew(self, sign_in: SignIn, scope: str | None) -> None:
        self._refresh(sign_in, 0, scope)

    @rule(sign_in=sign_ins, moment=moments, early=st.booleans(), back=st.integers(0, 1))
    def renew_when_time_runs_out(
        self, sign_in: SignIn, moment: str, early: bool, back: int
    ) -> None:
        until = {
            "later": self.now + 900,
            "window": sign_in.rotated_at + WINDOW,
            "idle": sign_in.idle_end,
            "absolute": sign_in.absolute_end,
        }[moment]
        self.world.clock.advance(max(0.0, until - (0.5 if early else 0.0) - self.now))
        self._refresh(sign_in, back)

    @rule(sign_in=sign_ins, back=st.integers(1, 3))
    def replay(self, sign_in: SignIn, back: int) -> None:
        self._refresh(sign_in, back)

    @rule(sign_in=sign_ins, back=st.integers(0, 2), revoke=st.booleans())
    def steal(self, sign_in: SignIn, back: int, revoke: bool) -> None:
        """Another client can neither use nor end a token that it got hold of."""
        token, thief = self._token(sign_in, back), OTHER[sign_in.client]
        answer = self.api.revoke(token, thief) if revoke else self.api.refresh(token, thief)
        assert answer.status == (200 if revoke else 400)
        self._look(sign_in)

    @rule(sign_in=sign_ins, back=st.integers(0, 2))
    def sign_out(self, sign_in: SignIn, back: int) -> None:
        assert self.api.revoke(self._token(sign_in, back), sign_in.client).status == 200
        sign_in.ended = True
        self._look(sign_in)

    @precondition(lambda self: self.made > 1)
    @rule(sign_in=sign_ins, which=st.integers(0, 3))
    def end_an_access_token(self, sign_in: SignIn, which: int) -> None:
        for token, _ in sign_in.access_tokens[which:][:1]:
            assert self.api.revoke(token, sign_in.client).status == 200
            self.revoked.add(token)
        self._look(sign_in)

    @precondition(lambda self: self.made > 1)
    @rule(sign_in=sign_ins)
    def disable_or_enable(self, sign_in: SignIn) -> None:
        self.disabled ^= {sign_in.user}
        active = sign_in.user not in self.disabled
        self.world.change_user(f"user-{sign_in.user}", active=active)
        self._refresh(sign_in, 0)

    @rule()
    def purge(self) -> None:
        self.world.elsewhere(lambda server: server.purge(SYNC))

    # ---- what must come of it ----------------------------------------------------------------

    def _token(self, sign_in: SignIn, back: int) -> str:
        return sign_in.refresh_tokens[-1 - min(back, len(sign_in.refresh_tokens) - 1)]

    def _refresh(self, sign_in: SignIn, back: int, scope: str | None = None) -> None:
        token = self._token(sign_in, back)
        answer = self.api.refresh(token, sign_in.client, scope=scope)
        spent = token != sign_in.refresh_tokens[-1]
        retried = (
            len(sign_in.refresh_tokens) > 1
            and token == sign_in.refresh_tokens[-2]
            and self.now - sign_in.rotated_at < WINDOW
        )
        if scope is not None and scope not in sign_in.scopes:
            expected = "invalid_scope" if sign_in.access_tokens else "invalid_grant"
            assert answer.json()["error"] == expected
        elif not sign_in.alive(self.now):
            assert answer.json()["error"] == "invalid_grant"
        elif (spent and not retried) or sign_in.user in self.disabled:
            assert answer.json()["error"] == "invalid_grant"
            sign_in.ended = True
        else:
            document = answer.json()
            assert set(document["scope"].split()) == ({scope} if scope else sign_in.scopes)
            sign_in.access_tokens.append((document["access_token"], self.now))
            if retried:
                assert document["refresh_token"] == sign_in.refresh_tokens[-1]
            else:
                assert document["refresh_token"] not in sign_in.refresh_tokens
                sign_in.refresh_tokens.append(document["refresh_token"])
                sign_in.rotated_at = self.now
                sign_in.idle_end = self.now + IDLE
        self._look(sign_in)

    def _look(self, sign_in: SignIn) -> None:
        """Ask the issuer and a resource server what is live."""
        if sign_in.client == "web":
            *spent, newest = sign_in.refresh_tokens
            assert self.api.is_active(newest, "web") is sign_in.alive(self.now)
            assert not any(self.api.is_active(token, "web") for token in spent)
        for access, issued_at in sign_in.access_tokens:
            alive = (
                not sign_in.ended
                and access not in self.revoked
                and self.now < int(issued_at) + ACCESS + LEEWAY
            )
            assert (self.api.get("/whoami", token=access).status == 200) is alive
            assert self.api.is_active(access) is alive


TestLife = Life.TestCase

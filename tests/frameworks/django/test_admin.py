"""The admin: nothing secret in any page, and what ends a session ends its tokens."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client as Browser
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from bezant.clients import Client, ClientSecret, new_secret
from bezant.runtime import SYNC, run_sync
from bezant.stores import Consent
from bezant.stores.memory import MemoryStores
from bezant.testing.stores import NOW, PUBLIC_KEY, call
from django_bezant import conf, models
from tests.frameworks.django.databases import sqlite_database
from tests.frameworks.django.project import BEZANT
from tests.frameworks.django.test_commands import a_session, basic, issued, revoked, stored
from tests.frameworks.django.test_secrecy import Reports

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("db")

APP = "/admin/django_bezant"
CLIENTS, SESSIONS, KEYS = f"{APP}/client/", f"{APP}/authorization/", f"{APP}/signingkey/"
CONSENTS = f"{APP}/consent/"
SECRET = "a secret that no page shows"


def one_of(place: str, key: str, page: str) -> str:
    """Where a page about one of them is: some characters of its key stand for others there."""
    return f"{place}{quote(key)}/{page}/"


class Page(Browser):
    """A person in the admin."""

    def see(self, place: str, status: int = 200) -> str:
        answer = self.get(place)
        assert answer.status_code == status, answer.content
        return answer.content.decode()

    def send(self, place: str, status: int = 302, **form: Any) -> str:
        answer = self.post(place, form)
        assert answer.status_code == status, answer.content.decode()
        return answer.content.decode()

    def act(self, place: str, action: str, *ids: str, status: int = 302, **form: Any) -> str:
        return self.send(place, status, action=action, _selected_action=ids, **form)


def signed_in(user: Any) -> Page:
    page = Page()
    page.force_login(user)
    return page


@pytest.fixture
def root() -> Page:
    return signed_in(get_user_model().objects.create_superuser("root"))


def staff(*permissions: str) -> Page:
    """Somebody who may do these things alone."""
    user = get_user_model().objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    assert user.user_permissions.count() == len(permissions)
    return signed_in(user)


def a_client(client_id: str = "web", **options: Any) -> Client:
    settings = {
        "grants": frozenset({"client_credentials"}),
        "scopes": ("items:read", "items:write"),
        "secrets": (ClientSecret.of(SECRET),),
        **options,
    }
    client = Client(client_id, **settings)
    assert conf.server().stores.clients.add(client)  # type: ignore[attr-defined]
    return client


FORM = {
    "client_id": "web",
    "name": "Web",
    "active": "on",
    "auth_method": "client_secret_basic",
    "grants": ["client_credentials"],
    "scopes": "items:read\nitems:write items:read",
    "audience": "",
    "introspect": "on",
    "access_token_ttl": "",
    "refresh_retry_window": "",
    "redirect_uris": "",
    "post_logout_redirect_uris": "",
    "backchannel_logout_uri": "",
    "jwks": "",
    "jwks_uri": "",
    "id_token_signed_response_alg": "RS256",
    "userinfo_signed_response_alg": "",
}


def shown_secret(html: str) -> str:
    [(_, secret)] = shown_secrets(html)
    return secret


def shown_secrets(html: str) -> list[tuple[str, str]]:
    """The clients and secrets on a page, as a person reads them."""
    return re.findall(
        r'<label for="secret-\d+">(.*?)</label><input [^>]*value="(.*?)" readonly', html
    )


class TestNothingSecret:
    def test_is_on_any_page(self, root: Page) -> None:
        client, row, consent = a_client(), a_session(), a_consent()
        server = conf.server()
        run_sync(server.prepare(SYNC))
        key = models.SigningKey.objects.get()
        private = server.keys.signing_key().private_jwk()
        pages = [
            root.see(place)
            for place in (
                "/admin/",
                CLIENTS,
                f"{CLIENTS}add/",
                f"{CLIENTS}web/change/",
                f"{CLIENTS}web/delete/",
                f"{CLIENTS}web/history/",
                f"{CLIENTS}web/rotate-secret/",
                SESSIONS,
                one_of(SESSIONS, row.id, "change"),
                CONSENTS,
                f"{CONSENTS}{consent.pk}/change/",
                f"{CONSENTS}{consent.pk}/delete/",
                KEYS,
                one_of(KEYS, key.kid, "change"),
                f"{KEYS}rotate/",
            )
        ]
        forbidden = [
            client.secrets[0].hashed,
            client.secrets[0].hashed.split("$")[2],
            SECRET,
            bytes(key.sealed).hex()[:40],
            repr(bytes(key.sealed))[2:20],
            private.decode(),
            "sha256$",
        ]
        for page in pages:
            for text in forbidden:
                assert text not in page
        for row_of in (client, key, models.Authorization.objects.get()):
            assert client.secrets[0].hashed not in repr(row_of) + str(row_of)

    @pytest.mark.parametrize(
        "question",
        [
            f"{CLIENTS}?secrets__icontains=sha256",
            f"{CLIENTS}?secrets__0__0__startswith=sha",
            f"{CLIENTS}?secrets__isnull=0",
            f"{KEYS}?sealed__gt=0",
            f"{KEYS}?sealed=x",
        ],
    )
    def test_can_be_guessed_from_what_a_list_finds(self, root: Page, question: str) -> None:
        a_client()
        run_sync(conf.server().prepare(SYNC))
        assert "web" in root.see(f"{CLIENTS}?client_id__startswith=w")
        root.see(question, 400)

    @pytest.mark.parametrize("place", [f"{CLIENTS}add/", f"{CLIENTS}web/rotate-secret/", CLIENTS])
    def test_is_mailed_when_a_page_fails(
        self, root: Page, place: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was rotated has its old secret still: nobody saw the new one."""

        def fail(*_: Any) -> None:
            raise ZeroDivisionError

        if place.endswith("add/"):
            form = FORM
        else:
            before, form = a_client(), {"rotate": "yes", "overlap": "0"}
        if place == CLIENTS:
            form |= {"action": "rotate_secrets", "_selected_action": ["web"]}
        made: list[str] = []
        monkeypatch.setattr(
            "django_bezant.admin.new_secret", lambda: made.append(new_secret()) or made[-1]
        )
        monkeypatch.setattr("django.template.defaulttags.URLNode.render", fail)
        root.raise_request_exception = False
        reports, logger = Reports(), logging.getLogger("django.request")
        logger.addHandler(reports)
        try:
            assert root.post(place, form).status_code == 500
        finally:
            logger.removeHandler(reports)
        monkeypatch.undo()
        assert len(made) == 1
        html, text = reports.made
        assert "ZeroDivisionError" in html
        assert made[0] not in html + text
        if not place.endswith("add/"):
            assert stored("web") == before


class TestClients:
    def test_a_new_one_has_a_secret_shown_once(self, root: Page) -> None:
        answer = root.post(f"{CLIENTS}add/", FORM)
        assert answer.status_code == 200
        assert "no-store" in answer["cache-control"]
        page = answer.content.decode()
        secret = shown_secret(page)
        # Return, pressed in the field, must not take the page away.
        assert "<form" not in page.partition('id="content-main"')[2]
        assert stored("web").secrets[0].matches(secret, 0.0)
        assert stored("web").scopes == ("items:read", "items:write")
        assert issued("web", secret)
        for place in (CLIENTS, f"{CLIENTS}web/change/", "/admin/"):
            assert secret not in root.see(place)
        assert secret not in str(root.cookies)
        assert secret not in str(dict(root.session))
        assert secret not in str([entry.__dict__ for entry in LogEntry.objects.all()])

    def test_a_public_one_has_none(self, root: Page) -> None:
        root.send(f"{CLIENTS}add/", **{**FORM, "auth_method": "none", "grants": ["password"]})
        assert stored("web").secrets == ()

    def test_one_of_the_authorization_endpoint(self, root: Page) -> None:
        form = {
            "auth_method": "private_key_jwt",
            "grants": ["client_credentials"],
            "redirect_uris": "https://app.example.com/cb\r\ncom.example.app:/cb",
            "post_logout_redirect_uris": "https://app.example.com/bye",
            "backchannel_logout_uri": "https://app.example.com/logout",
            "first_party": "on",
            "jwks": json.dumps({"keys": [PUBLIC_KEY]}),
            "id_token_signed_response_alg": "ES256",
            "userinfo_signed_response_alg": "EdDSA",
        }
        root.send(f"{CLIENTS}add/", **{**FORM, **form})
        client = Client(
            "web",
            name="Web",
            grants=frozenset({"client_credentials"}),
            scopes=("items:read", "items:write"),
            auth_method="private_key_jwt",
            redirect_uris=("https://app.example.com/cb", "com.example.app:/cb"),
            post_logout_redirect_uris=("https://app.example.com/bye",),
            backchannel_logout_uri="https://app.example.com/logout",
            first_party=True,
            jwks={"keys": [PUBLIC_KEY]},
            id_token_signed_response_alg="ES256",
            userinfo_signed_response_alg="EdDSA",
        )
        assert stored("web") == client
        page = root.see(f"{CLIENTS}web/change/")
        assert "https://app.example.com/cb\ncom.example.app:/cb" in page
        assert PUBLIC_KEY["x"] in page
        assert "rotate-secret" not in page  # it has none
        root.send(f"{CLIENTS}web/rotate-secret/", rotate="yes", overlap="0")
        assert "it has no secret" in root.see(CLIENTS)
        keys = {"jwks": "", "jwks_uri": "https://app.example.com/keys"}
        root.send(f"{CLIENTS}web/change/", **{**FORM, **form, **keys})
        assert stored("web") == replace(client, jwks=None, jwks_uri=keys["jwks_uri"])

    def test_a_key_in_place_of_a_secret(self, root: Page) -> None:
        a_client()
        form = {"auth_method": "private_key_jwt", "jwks_uri": "https://app.example.com/keys"}
        root.send(f"{CLIENTS}web/change/", **{**FORM, **form})
        assert stored("web").secrets == ()
        shown_secret(root.send(f"{CLIENTS}web/change/", 200, **FORM))
        assert stored("web").jwks_uri is None

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"client_id": "with space"}, "printable ASCII"),
            ({"scopes": 'a"b'}, "Each scope must be one name"),
            ({"grants": ["refresh_token"]}, "needs another grant"),
            ({"grants": ["nonsense"]}, "not one of the available choices"),
            ({"auth_method": "none"}, "public client cannot use client_credentials"),
            ({"refresh_retry_window": "61"}, "0 to 60 seconds"),
            ({"access_token_ttl": "0"}, "positive number"),
            ({"access_token_ttl": "99999"}, "may not live for more than 3600 seconds"),
            ({"client_id": "taken"}, "There is a client with this id"),
            ({"redirect_uris": "https://a.example/ javascript:x"}, "of redirect_uris"),
            ({"post_logout_redirect_uris": "http://a.example/"}, "must begin with https://"),
            ({"backchannel_logout_uri": "com.example.app:/x"}, "Backchannel_logout_uri"),
            ({"auth_method": "private_key_jwt"}, "needs either jwks or jwks_uri"),
            ({"jwks": '{"keys": [{"kty": "oct", "k": "AA"}]}'}, "Jwks: "),
            ({"jwks": "[]"}, "Jwks: "),
            ({"jwks": "{"}, "valid JSON"),
            ({"id_token_signed_response_alg": "none"}, "not one of the available choices"),
            ({"userinfo_signed_response_alg": "HS256"}, "not one of the available choices"),
        ],
    )
    def test_core_checks_it(self, change: dict[str, Any], problem: str, root: Page) -> None:
        taken = a_client("taken")
        page = root.send(f"{CLIENTS}add/", 200, **{**FORM, **change})
        assert problem in page.replace("&quot;", '"')
        assert models.Client.objects.count() == 1
        assert stored("taken") == taken

    def test_a_change_keeps_its_secret(self, root: Page) -> None:
        before = a_client()
        root.send(f"{CLIENTS}web/change/", **{**FORM, "client_id": "other", "scopes": "reports"})
        after = stored("web")
        assert after.scopes == ("reports",)
        assert after.secrets == before.secrets
        assert models.Client.objects.count() == 1

    def test_becoming_confidential_makes_a_secret(self, root: Page) -> None:
        a_client(grants=frozenset({"password"}), auth_method="none", secrets=())
        secret = shown_secret(root.send(f"{CLIENTS}web/change/", 200, **FORM))
        assert stored("web").secrets[0].matches(secret, 0.0)

    def test_becoming_public_forgets_it(self, root: Page) -> None:
        a_client()
        form = {**FORM, "auth_method": "none", "grants": ["password"]}
        root.send(f"{CLIENTS}web/change/", **form)
        assert stored("web").secrets == ()

    def test_disabling_it_ends_what_it_got(self, root: Page) -> None:
        a_client()
        row = a_session()
        form = {name: value for name, value in FORM.items() if name != "active"}
        root.send(f"{CLIENTS}web/change/", **form)
        assert revoked(row)
        assert models.Revocation.objects.get().kind == "client"

    @pytest.mark.parametrize("many", [False, True])
    def test_deleting_it_ends_what_it_got(self, many: bool, root: Page) -> None:
        a_client()
        row = a_session()
        a_consent()
        other = a_consent(client_id="shop")
        if many:
            root.act(CLIENTS, "delete_selected", "web", post="yes")
        else:
            root.send(f"{CLIENTS}web/delete/", post="yes")
        assert list(models.Consent.objects.all()) == [other]
        assert models.Client.objects.count() == 0
        assert revoked(row)
        assert models.Revocation.objects.get().value == "web"

    def test_actions_disable_and_enable(self, root: Page) -> None:
        a_client()
        row = a_session()
        root.act(CLIENTS, "disable", "web")
        assert not stored("web").active
        assert revoked(row)
        assert "1 session ended" in root.see(CLIENTS)
        root.act(CLIENTS, "enable", "web")
        assert stored("web").active

    def test_ids_may_hold_whatever_core_lets_them(self, root: Page) -> None:
        name = "https://app.example.com/_x?y=1"
        a_client(name)
        page = root.see(CLIENTS)
        (place,) = re.findall(r'href="([^"]+/change/[^"]*)"', page.split("result_list")[1])
        page = root.see(place.replace("&amp;", "&"))
        assert name in page
        (place,) = re.findall(r'href="([^"]+/rotate-secret/[^"]*)"', page)
        secret = shown_secret(root.send(place, 200, rotate="yes", overlap="0"))
        assert stored(name).secrets[0].matches(secret, conf.server().clock())


def a_consent(subject: str = "7", client_id: str = "web") -> models.Consent:
    consents = conf.server().stores.consents
    run_sync(call(consents.put, Consent(subject, client_id, ("items:read", "openid"), NOW)))
    return models.Consent.objects.get(subject=subject, client_id=client_id)


class TestConsents:
    def test_are_seen_with_names(self, root: Page) -> None:
        user = get_user_model().objects.create_user("alice")
        mine, theirs = a_consent(str(user.pk)), a_consent("nobody", "shop")
        page = root.see(CONSENTS)
        assert f"alice ({user.pk})" in page
        assert "nobody" in page
        page = root.see(f"{CONSENTS}?q=alice")
        assert f"{CONSENTS}{mine.pk}/change/" in page
        assert f"{CONSENTS}{theirs.pk}/change/" not in page
        page = root.see(f"{CONSENTS}{mine.pk}/change/")
        assert "items:read openid" in page
        assert 'name="_save"' not in page
        root.see(f"{CONSENTS}add/", 403)

    @pytest.mark.parametrize("many", [False, True])
    def test_taking_one_back_ends_what_the_client_got(self, many: bool, root: Page) -> None:
        consent, other = a_consent(), a_consent(client_id="shop")
        row, kept = a_session(), a_session(client_id="shop")
        if many:
            root.act(CONSENTS, "delete_selected", str(consent.pk), post="yes")
        else:
            root.send(f"{CONSENTS}{consent.pk}/delete/", post="yes")
        assert list(models.Consent.objects.all()) == [other]
        assert revoked(row)
        assert not revoked(kept)
        assert models.Revocation.objects.get().value == row.id

    def test_are_taken_back_by_who_may(self) -> None:
        consent = a_consent()
        page = staff("view_consent")
        page.send(f"{CONSENTS}{consent.pk}/delete/", 403, post="yes")
        assert "delete_selected" not in page.see(CONSENTS)
        assert models.Consent.objects.count() == 1
        user = get_user_model().objects.get(username="clerk")
        user.user_permissions.add(Permission.objects.get(codename="delete_consent"))
        page.send(f"{CONSENTS}{consent.pk}/delete/", post="yes")
        assert models.Consent.objects.count() == 0

    def test_are_seen_by_who_may(self) -> None:
        a_consent()
        staff("view_authorization").see(CONSENTS, 403)


class TestNewSecrets:
    def test_one(self, root: Page) -> None:
        a_client()
        place = f"{CLIENTS}web/rotate-secret/"
        assert place in root.see(f"{CLIENTS}web/change/")
        assert "86400" in root.see(place)
        answer = root.post(place, {"rotate": "yes", "overlap": "60"})
        assert "no-store" in answer["cache-control"]
        secret, now = shown_secret(answer.content.decode()), conf.server().clock()
        new, old = stored("web").secrets
        assert new.matches(secret, now)
        assert old.matches(SECRET, now)
        assert not old.matches(SECRET, now + 61)
        assert secret not in root.see(place)

    def test_many_and_the_old_ones_are_refused(self, root: Page) -> None:
        for name in ("web", "app", "other"):
            a_client(name)
        page = root.act(CLIENTS, "rotate_secrets", "web", "app", status=200)
        assert shown_secrets(page) == []
        assert stored("web").secrets[0].matches(SECRET, 0.0)
        page = root.act(
            CLIENTS, "rotate_secrets", "web", "app", status=200, rotate="yes", overlap="0"
        )
        made = shown_secrets(page)
        assert {name for name, _ in made} == {"web", "app"}
        for name, secret in made:
            (only,) = stored(name).secrets
            assert only.matches(secret, 0.0)
        assert stored("other").secrets[0].matches(SECRET, 0.0)

    def test_not_by_looking(self, root: Page) -> None:
        before = a_client()
        root.see(f"{CLIENTS}web/rotate-secret/?rotate=yes&overlap=0")
        assert stored("web") == before

    def test_not_without_a_token_against_forgery(self) -> None:
        before = a_client()
        user = get_user_model().objects.create_superuser("root")
        page = Page(enforce_csrf_checks=True)
        page.force_login(user)
        page.send(f"{CLIENTS}web/rotate-secret/", 403, rotate="yes", overlap="0")
        page.send(f"{KEYS}rotate/", 403)
        assert stored("web") == before

    def test_a_public_client_has_none(self, root: Page) -> None:
        a_client(grants=frozenset({"password"}), auth_method="none", secrets=())
        root.send(f"{CLIENTS}web/rotate-secret/", rotate="yes", overlap="0")
        assert "it has no secret" in root.see(CLIENTS)
        assert "rotate-secret" not in root.see(f"{CLIENTS}web/change/")

    def test_a_client_that_is_gone(self, root: Page) -> None:
        root.send(f"{CLIENTS}web/rotate-secret/", rotate="yes", overlap="0")


class TestSessions:
    def test_they_are_listed_with_names(self, root: Page) -> None:
        alice = get_user_model().objects.create_user("alice")
        mine, gone = a_session(str(alice.pk)), a_session("gone")
        page = root.see(SESSIONS)
        assert f"alice ({alice.pk})" in page
        assert "gone" in page
        assert mine.id in root.see(f"{SESSIONS}?q=alice")
        assert gone.id not in root.see(f"{SESSIONS}?q=alice")
        assert gone.id in root.see(f"{SESSIONS}?q={gone.id}")
        assert f"alice ({alice.pk})" in root.see(one_of(SESSIONS, mine.id, "change"))

    def test_as_many_queries_for_many_as_for_few(self, root: Page) -> None:
        counts = []
        for number in range(6):
            a_session(str(get_user_model().objects.create_user(f"user {number}").pk))
            with CaptureQueriesContext(connection) as captured:
                root.see(SESSIONS)
            counts.append(len(captured))
        assert counts[0] == counts[-1]

    def test_live_ones_and_ended_ones(self, root: Page) -> None:
        live, ended = a_session(), a_session()
        conf.server().stores.authorizations.revoke(ended.id, conf.server().clock())
        page = root.see(f"{SESSIONS}?state=live")
        assert live.id in page
        assert ended.id not in page
        page = root.see(f"{SESSIONS}?state=ended")
        assert live.id not in page
        assert ended.id in page

    def test_their_states_and_times(self, root: Page) -> None:
        rows, stores = [a_session() for _ in range(3)], conf.server().stores
        stores.authorizations.revoke(rows[1].id, conf.server().clock())
        models.Authorization.objects.filter(pk=rows[2].id).update(idle_expires_at=0.0)
        listed = root.see(SESSIONS)
        for row, state in zip(rows, ("live", "revoked", "expired"), strict=True):
            assert f">{state}</td>" in listed
            assert f">{state}</div>" in root.see(one_of(SESSIONS, row.id, "change"))
        models.Authorization.objects.filter(pk=rows[0].id).update(auth_time=1_700_000_000.5)
        with override_settings(TIME_ZONE="Europe/Vienna"):
            for place in (SESSIONS, one_of(SESSIONS, rows[0].id, "change")):
                assert "Nov. 14, 2023, 11:13 p.m." in root.see(place)

    def test_ending_them_ends_their_tokens(self, root: Page) -> None:
        one, two, kept = (a_session() for _ in range(3))
        root.act(SESSIONS, "revoke", one.id, two.id)
        assert [revoked(row) for row in (one, two, kept)] == [True, True, False]
        values = models.Revocation.objects.values_list("kind", "value")
        assert set(values) == {("authorization", one.id), ("authorization", two.id)}
        assert "2 sessions ended" in root.see(SESSIONS)
        assert LogEntry.objects.count() == 2

    def test_nobody_writes_them(self, root: Page) -> None:
        row = a_session()
        root.see(f"{SESSIONS}add/", 403)
        root.send(one_of(SESSIONS, row.id, "change"), 403, subject="8")
        root.send(one_of(SESSIONS, row.id, "delete"), 403, post="yes")
        assert models.Authorization.objects.get().record == row


class TestKeys:
    def test_their_life(self, root: Page) -> None:
        run_sync(conf.server().prepare(SYNC))
        (first,) = models.SigningKey.objects.all()
        assert ">active<" in root.see(KEYS)
        assert f"{KEYS}rotate/" in root.see(KEYS)
        root.see(f"{KEYS}rotate/")
        assert models.SigningKey.objects.count() == 1
        root.send(f"{KEYS}rotate/")
        assert ">next<" in root.see(KEYS)
        root.act(KEYS, "retire", first.kid)
        page = root.see(KEYS)
        assert ">gone<" in page
        assert ">active<" in page  # one was made in its place
        states = [info.state for info in conf.server().keys.describe()]
        assert states == ["gone", "next", "active"]

    def test_one_that_signs_at_once(self, root: Page) -> None:
        run_sync(conf.server().prepare(SYNC))
        root.send(f"{KEYS}rotate/", now="on")
        assert [info.state for info in conf.server().keys.describe()] == ["retiring", "active"]

    def test_one_that_is_gone_already(self, root: Page) -> None:
        run_sync(conf.server().prepare(SYNC))
        (first,) = models.SigningKey.objects.all()
        for _ in range(2):
            root.act(KEYS, "retire", first.kid)
        assert "to withdraw" in root.see(KEYS)

    def test_nobody_writes_them(self, root: Page) -> None:
        run_sync(conf.server().prepare(SYNC))
        (first,) = models.SigningKey.objects.all()
        root.see(f"{KEYS}add/", 403)
        root.send(one_of(KEYS, first.kid, "change"), 403, algorithm="none")
        root.send(one_of(KEYS, first.kid, "delete"), 403, post="yes")
        assert models.SigningKey.objects.count() == 1


class TestPermissions:
    def test_who_may_look_may_not_act(self) -> None:
        before, row = a_client(), a_session()
        run_sync(conf.server().prepare(SYNC))
        (key,) = models.SigningKey.objects.all()
        page = staff("view_client", "view_authorization", "view_signingkey")
        for place, actions in (
            (CLIENTS, ("rotate_secrets", "disable", "enable")),
            (SESSIONS, ("revoke",)),
            (KEYS, ("retire",)),
        ):
            html = page.see(place)
            for action in actions:
                assert f'value="{action}"' not in html
                page.post(place, {"action": action, "_selected_action": ["web", row.id, key.kid]})
        page.see(f"{CLIENTS}web/rotate-secret/", 403)
        page.send(f"{CLIENTS}web/rotate-secret/", 403, rotate="yes", overlap="0")
        page.send(f"{KEYS}rotate/", 403)
        assert "rotate" not in page.see(KEYS)
        assert stored("web") == before
        assert not revoked(row)
        assert [info.state for info in conf.server().keys.describe()] == ["active"]

    def test_each_action_has_its_own(self) -> None:
        a_client()
        row = a_session()
        run_sync(conf.server().prepare(SYNC))
        (key,) = models.SigningKey.objects.all()
        page = staff(
            *("view_client", "rotate_client_secret", "view_authorization", "revoke_authorization"),
            *("view_signingkey", "rotate_signingkey", "retire_signingkey"),
        )
        page.act(CLIENTS, "rotate_secrets", "web", status=200, rotate="yes", overlap="0")
        page.act(SESSIONS, "revoke", row.id)
        page.send(f"{KEYS}rotate/")
        page.act(KEYS, "retire", key.kid)
        assert not stored("web").secrets[0].matches(SECRET, 0.0)
        assert revoked(row)
        page.act(CLIENTS, "disable", "web", status=302)
        assert stored("web").active

    def test_nobody_else_comes_in(self) -> None:
        a_client()
        page = staff()
        for place in (CLIENTS, SESSIONS, KEYS):
            page.see(place, 403)
        Page().see(f"{CLIENTS}web/rotate-secret/", 302)


class TestProjects:
    def test_one_that_issues_no_tokens(self, root: Page) -> None:
        with override_settings(BEZANT={"VERIFIER": conf.server().verifier()}):
            assert "django_bezant" not in root.see("/admin/")
            for place in (CLIENTS, SESSIONS, KEYS, f"{CLIENTS}add/"):
                root.see(place, 403)

    def test_one_that_keeps_things_elsewhere(self, root: Page) -> None:
        from bezant import AuthorizationServer

        server = AuthorizationServer(
            conf.server().config, stores=MemoryStores(), secret_key=new_secret()
        )
        with override_settings(BEZANT={"SERVER": server}):
            assert "django_bezant" not in root.see("/admin/")
            root.see(CLIENTS, 403)

    def test_one_with_another_database(self, root: Page, tmp_path: Path) -> None:
        with (
            sqlite_database(tmp_path / "other") as alias,
            override_settings(BEZANT={**BEZANT, "USING": alias}),
        ):
            secret = shown_secret(root.send(f"{CLIENTS}add/", 200, **FORM))
            assert models.Client.objects.using(alias).count() == 1
            assert models.Client.objects.count() == 0
            assert basic("web", secret)
            row = a_session()
            root.act(SESSIONS, "revoke", row.id)
            assert models.Authorization.objects.using(alias).get().revoked_at is not None
            root.act(CLIENTS, "delete_selected", "web", post="yes")
            assert models.Client.objects.using(alias).count() == 0

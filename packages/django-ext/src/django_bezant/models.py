"""What an authorization server keeps: clients, sessions, consents, codes, keys, revocations, login
attempts.

Times are floating point seconds since the epoch, as core has them, so that nothing is rounded where
it is compared. Nothing secret is stored in clear: client secrets and codes are hashed, keys are
sealed, and refresh tokens are not stored at all. `bezant_prune` forgets what has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from bezant import clients, redirects
from bezant.stores import Authorization as AuthorizationRecord
from bezant.stores import Consent as ConsentRecord

__all__ = [
    "Authorization",
    "Client",
    "Code",
    "Consent",
    "LoginAttempts",
    "LogoutNotice",
    "Revocation",
    "SigningKey",
    "TrustedAddress",
]

ID_LENGTH = 255
URI_LENGTH = redirects.MAX_LENGTH
ALGORITHMS = [(name, name) for name in clients.ID_TOKEN_ALGORITHMS]


class Client(models.Model):
    """A registered client; `bezant.Client` says what each field means."""

    client_id: models.CharField[str, str] = models.CharField(
        _("client id"), max_length=ID_LENGTH, primary_key=True
    )
    name: models.TextField[str, str] = models.TextField(
        _("name"), blank=True, default="", help_text=_("For people.")
    )
    active: models.BooleanField[bool, bool] = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("A client that is disabled gets no tokens, and all that it got has ended."),
    )
    grants: models.JSONField[Any, Any] = models.JSONField(_("grants"), default=list)
    scopes: models.JSONField[Any, Any] = models.JSONField(_("scopes"), default=list)
    audience: models.JSONField[Any, Any] = models.JSONField(_("audience"), default=list)
    auth_method: models.CharField[str, str] = models.CharField(
        _("authentication"),
        max_length=64,
        default="client_secret_basic",
        choices=[
            ("client_secret_basic", _("a secret, by HTTP Basic")),
            ("client_secret_post", _("a secret, in the form")),
            ("private_key_jwt", _("a key of its own")),
            ("none", _("none: it cannot keep a secret")),
        ],
    )
    # [[hashed, expires_at], ...], newest first
    secrets: models.JSONField[Any, Any] = models.JSONField(
        _("secrets"), default=list, editable=False
    )
    introspect: models.BooleanField[bool, bool] = models.BooleanField(
        _("may introspect"),
        default=True,
        help_text=_("Whether it may ask about tokens meant for its audience."),
    )
    access_token_ttl: models.PositiveIntegerField[int | None, int | None] = (
        models.PositiveIntegerField(
            _("access token lifetime"),
            null=True,
            blank=True,
            help_text=_("Seconds; empty means the server's default."),
        )
    )
    refresh_retry_window: models.PositiveIntegerField[int | None, int | None] = (
        models.PositiveIntegerField(
            _("refresh retry window"),
            null=True,
            blank=True,
            help_text=_(
                "Seconds, 0 to 60, in which a lost answer is given again; "
                "empty means the server's default."
            ),
        )
    )
    redirect_uris: models.JSONField[Any, Any] = models.JSONField(_("redirect URIs"), default=list)
    post_logout_redirect_uris: models.JSONField[Any, Any] = models.JSONField(
        _("post-logout redirect URIs"), default=list
    )
    backchannel_logout_uri: models.CharField[str | None, str | None] = models.CharField(
        _("back-channel logout URI"),
        max_length=URI_LENGTH,
        null=True,
        blank=True,
        help_text=_("Where it is told of logouts."),
    )
    first_party: models.BooleanField[bool, bool] = models.BooleanField(
        _("first party"),
        default=False,
        help_text=_("Whether it is yours: users are not asked for consent."),
    )
    jwks: models.JSONField[Any, Any] = models.JSONField(
        _("public keys"),
        null=True,
        blank=True,
        help_text=_("A JWK Set, for a client with a key of its own."),
    )
    jwks_uri: models.CharField[str | None, str | None] = models.CharField(
        _("URI of public keys"),
        max_length=URI_LENGTH,
        null=True,
        blank=True,
        help_text=_("Where it publishes them instead."),
    )
    id_token_signed_response_alg: models.CharField[str, str] = models.CharField(
        _("ID tokens signed with"), max_length=32, default="RS256", choices=ALGORITHMS
    )
    userinfo_signed_response_alg: models.CharField[str | None, str | None] = models.CharField(
        _("UserInfo signed with"),
        max_length=32,
        null=True,
        blank=True,
        choices=ALGORITHMS,
        help_text=_("Empty means plain JSON."),
    )

    class Meta:
        db_table: str = "bezant_client"
        ordering: ClassVar[Any] = ["client_id"]
        verbose_name: Any = _("client")
        verbose_name_plural: Any = _("clients")
        permissions: ClassVar[Any] = [("rotate_client_secret", _("Can give clients new secrets"))]

    def __str__(self) -> str:
        return str(self.client_id)

    @property
    def registration(self) -> clients.Client:
        """The client as core has it.

        Raises:
            ConfigurationError: The fields contradict each other.
        """
        return clients.Client(
            self.client_id,
            grants=frozenset(self.grants),
            scopes=tuple(self.scopes),
            audience=tuple(self.audience),
            auth_method=self.auth_method,
            secrets=tuple(clients.ClientSecret(*secret) for secret in self.secrets),
            name=self.name,
            active=self.active,
            introspect=self.introspect,
            access_token_ttl=self.access_token_ttl,
            refresh_retry_window=self.refresh_retry_window,
            redirect_uris=tuple(self.redirect_uris),
            post_logout_redirect_uris=tuple(self.post_logout_redirect_uris),
            backchannel_logout_uri=self.backchannel_logout_uri,
            first_party=self.first_party,
            jwks=self.jwks,
            jwks_uri=self.jwks_uri,
            id_token_signed_response_alg=self.id_token_signed_response_alg,
            userinfo_signed_response_alg=self.userinfo_signed_response_alg,
        )

    @staticmethod
    def values_of(client: clients.Client) -> Mapping[str, Any]:
        """The values of the fields for a client as core has it."""
        return {
            "client_id": client.client_id,
            "name": client.name,
            "active": client.active,
            "grants": sorted(client.grants),
            "scopes": list(client.scopes),
            "audience": list(client.audience),
            "auth_method": client.auth_method,
            "secrets": [[secret.hashed, secret.expires_at] for secret in client.secrets],
            "introspect": client.introspect,
            "access_token_ttl": client.access_token_ttl,
            "refresh_retry_window": client.refresh_retry_window,
            "redirect_uris": list(client.redirect_uris),
            "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
            "backchannel_logout_uri": client.backchannel_logout_uri,
            "first_party": client.first_party,
            "jwks": None if client.jwks is None else dict(client.jwks),
            "jwks_uri": client.jwks_uri,
            "id_token_signed_response_alg": client.id_token_signed_response_alg,
            "userinfo_signed_response_alg": client.userinfo_signed_response_alg,
        }


class Authorization(models.Model):
    """What one user gave one client at one sign-in: a session, for people.

    The client and the user are named, not referred to: a session outlives neither by a constraint,
    but because it is ended.
    """

    id: models.CharField[str, str] = models.CharField(_("session"), max_length=22, primary_key=True)
    client_id: models.CharField[str, str] = models.CharField(_("client"), max_length=ID_LENGTH)
    subject: models.CharField[str, str] = models.CharField(_("user"), max_length=ID_LENGTH)
    scopes: models.JSONField[Any, Any] = models.JSONField(_("scopes"))
    audience: models.JSONField[Any, Any] = models.JSONField(_("audience"))
    auth_time: models.FloatField[float, float] = models.FloatField(_("signed in"))
    created_at: models.FloatField[float, float] = models.FloatField(_("created"))
    expires_at: models.FloatField[float, float] = models.FloatField(_("ends"))
    idle_expires_at: models.FloatField[float, float] = models.FloatField(_("ends unless refreshed"))
    generation: models.BigIntegerField[int, int] = models.BigIntegerField(_("generation"))
    rotated_at: models.FloatField[float, float] = models.FloatField(_("last used"))
    revoked_at: models.FloatField[float | None, float | None] = models.FloatField(
        _("revoked"), null=True
    )
    address: models.TextField[str, str] = models.TextField(_("address"), blank=True)
    # From this time on purging looks at the row. A refresh leaves it alone, so that no index
    # changes when a generation does; a purge that finds the row alive sets it anew.
    sweep_at: models.FloatField[float, float] = models.FloatField(editable=False)
    session_id: models.CharField[str | None, str | None] = models.CharField(
        _("sign-in"), max_length=ID_LENGTH, null=True, blank=True
    )
    # The default is the database's, too, so that processes of the version before go on while a new
    # one is rolled out.
    claims: models.TextField[str, str] = models.TextField(
        _("claims"), blank=True, default="", db_default="", editable=False
    )

    class Meta:
        db_table: str = "bezant_authorization"
        verbose_name: Any = _("session")
        verbose_name_plural: Any = _("sessions")
        default_permissions: Any = ("view",)
        permissions: ClassVar[Any] = [("revoke_authorization", _("Can end sessions"))]
        indexes: ClassVar[Any] = [
            models.Index(fields=["subject", "created_at"], name="bezant_auth_subject_idx"),
            models.Index(fields=["client_id", "created_at"], name="bezant_auth_client_idx"),
            models.Index(fields=["created_at"], name="bezant_auth_created_idx"),
            models.Index(fields=["sweep_at"], name="bezant_auth_sweep_idx"),
            # Many are given without a browser.
            models.Index(
                fields=["session_id"],
                name="bezant_auth_session_idx",
                condition=models.Q(session_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} at {self.client_id}"

    @property
    def record(self) -> AuthorizationRecord:
        """The authorization as core has it."""
        return AuthorizationRecord(
            id=self.id,
            client_id=self.client_id,
            subject=self.subject,
            scopes=tuple(self.scopes),
            audience=tuple(self.audience),
            auth_time=self.auth_time,
            created_at=self.created_at,
            expires_at=self.expires_at,
            idle_expires_at=self.idle_expires_at,
            generation=self.generation,
            rotated_at=self.rotated_at,
            revoked_at=self.revoked_at,
            address=self.address,
            session_id=self.session_id,
            claims=self.claims,
        )


class Consent(models.Model):
    """What one user lets one client have, until it is taken back."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    subject: models.CharField[str, str] = models.CharField(_("user"), max_length=ID_LENGTH)
    client_id: models.CharField[str, str] = models.CharField(_("client"), max_length=ID_LENGTH)
    scopes: models.JSONField[Any, Any] = models.JSONField(_("scopes"))
    given_at: models.FloatField[float, float] = models.FloatField(_("given"))

    class Meta:
        db_table: str = "bezant_consent"
        verbose_name: Any = _("consent")
        verbose_name_plural: Any = _("consents")
        default_permissions: Any = ("view", "delete")
        constraints: ClassVar[Any] = [
            models.UniqueConstraint(fields=["subject", "client_id"], name="bezant_consent_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.subject} to {self.client_id}"

    @property
    def record(self) -> ConsentRecord:
        """The consent as core has it."""
        return ConsentRecord(self.subject, self.client_id, tuple(self.scopes), self.given_at)


class Code(models.Model):
    """What is good once; see `bezant.stores`. Only a digest of what was handed out is here."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    kind: models.CharField[str, str] = models.CharField(_("kind"), max_length=16)
    digest: models.CharField[str, str] = models.CharField(_("digest"), max_length=64)
    value: models.TextField[str, str] = models.TextField(_("value"), editable=False)
    expires_at: models.FloatField[float, float] = models.FloatField(_("expires"))
    taken: models.BooleanField[bool, bool] = models.BooleanField(_("taken"))

    class Meta:
        db_table: str = "bezant_code"
        verbose_name: Any = _("code")
        verbose_name_plural: Any = _("codes")
        default_permissions: Any = ()
        constraints: ClassVar[Any] = [
            models.UniqueConstraint(fields=["kind", "digest"], name="bezant_code_uniq")
        ]
        indexes: ClassVar[Any] = [
            models.Index(fields=["expires_at"], name="bezant_code_expires_idx")
        ]

    def __str__(self) -> str:
        return str(self.kind)


class LogoutNotice(models.Model):
    """A client that is still to be told of a logout."""

    id: models.CharField[str, str] = models.CharField(_("notice"), max_length=22, primary_key=True)
    client_id: models.CharField[str, str] = models.CharField(_("client"), max_length=ID_LENGTH)
    subject: models.CharField[str, str] = models.CharField(_("user"), max_length=ID_LENGTH)
    session_id: models.CharField[str, str] = models.CharField(_("sign-in"), max_length=ID_LENGTH)
    created_at: models.FloatField[float, float] = models.FloatField(_("created"))
    attempts: models.BigIntegerField[int, int] = models.BigIntegerField(_("attempts"))
    due_at: models.FloatField[float, float] = models.FloatField(_("tried next"))

    class Meta:
        db_table: str = "bezant_logout_notice"
        verbose_name: Any = _("logout notice")
        verbose_name_plural: Any = _("logout notices")
        default_permissions: Any = ()
        indexes: ClassVar[Any] = [
            models.Index(fields=["due_at", "id"], name="bezant_logout_due_idx")
        ]

    def __str__(self) -> str:
        return f"{self.session_id} to {self.client_id}"


class SigningKey(models.Model):
    """A key that signs tokens, sealed under the configured secret. Its state follows from times;
    see `bezant.keyring`.
    """

    kid: models.CharField[str, str] = models.CharField(
        _("key id"), max_length=ID_LENGTH, primary_key=True
    )
    algorithm: models.CharField[str, str] = models.CharField(_("algorithm"), max_length=32)
    sequence: models.BigIntegerField[int, int] = models.BigIntegerField(_("sequence"), unique=True)
    sealed: models.BinaryField[bytes, bytes] = models.BinaryField(_("sealed key"), editable=False)
    created_at: models.FloatField[float, float] = models.FloatField(_("created"))
    activates_at: models.FloatField[float, float] = models.FloatField(_("signs from"))
    retired_at: models.FloatField[float | None, float | None] = models.FloatField(
        _("withdrawn"), null=True
    )

    class Meta:
        db_table: str = "bezant_signing_key"
        ordering: ClassVar[Any] = ["sequence"]
        verbose_name: Any = _("signing key")
        verbose_name_plural: Any = _("signing keys")
        default_permissions: Any = ("view",)
        permissions: ClassVar[Any] = [
            ("rotate_signingkey", _("Can make signing keys")),
            ("retire_signingkey", _("Can withdraw signing keys")),
        ]

    def __str__(self) -> str:
        return str(self.kid)


class Revocation(models.Model):
    """Access tokens that are refused although they have not expired; see `bezant.stores`."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    kind: models.CharField[str, str] = models.CharField(_("kind"), max_length=16)
    value: models.CharField[str, str] = models.CharField(_("value"), max_length=ID_LENGTH)
    issued_before: models.FloatField[float, float] = models.FloatField(_("issued before"))
    expires_at: models.FloatField[float, float] = models.FloatField(_("forgotten"))
    recorded_at: models.FloatField[float, float] = models.FloatField(_("recorded"))

    class Meta:
        db_table: str = "bezant_revocation"
        verbose_name: Any = _("revocation")
        verbose_name_plural: Any = _("revocations")
        default_permissions: Any = ()
        constraints: ClassVar[Any] = [
            models.UniqueConstraint(fields=["kind", "value"], name="bezant_revocation_uniq")
        ]
        indexes: ClassVar[Any] = [
            models.Index(fields=["expires_at"], name="bezant_revoc_expires_idx"),
            models.Index(fields=["recorded_at"], name="bezant_revoc_recorded_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


class LoginAttempts(models.Model):
    """A counter of login attempts. Keys are digests, never names or addresses."""

    key: models.CharField[str, str] = models.CharField(
        _("key"), max_length=ID_LENGTH, primary_key=True
    )
    attempts: models.BigIntegerField[int, int] = models.BigIntegerField(_("attempts"))
    blocked_until: models.FloatField[float, float] = models.FloatField(_("blocked until"))
    touched_at: models.FloatField[float, float] = models.FloatField(_("last attempt"))

    class Meta:
        db_table: str = "bezant_login_attempts"
        verbose_name: Any = _("login attempts")
        verbose_name_plural: Any = _("login attempts")
        default_permissions: Any = ()
        indexes: ClassVar[Any] = [
            models.Index(fields=["touched_at"], name="bezant_attempts_touched_idx")
        ]

    def __str__(self) -> str:
        return str(self.key)


class TrustedAddress(models.Model):
    """Attempts left to an address at which an account has signed in. Keys are digests."""

    key: models.CharField[str, str] = models.CharField(
        _("key"), max_length=ID_LENGTH, primary_key=True
    )
    credits: models.BigIntegerField[int, int] = models.BigIntegerField(_("attempts left"))
    expires_at: models.FloatField[float, float] = models.FloatField(_("trusted until"))

    class Meta:
        db_table: str = "bezant_trusted_address"
        verbose_name: Any = _("trusted address")
        verbose_name_plural: Any = _("trusted addresses")
        default_permissions: Any = ()
        indexes: ClassVar[Any] = [
            models.Index(fields=["expires_at"], name="bezant_trusted_expires_idx")
        ]

    def __str__(self) -> str:
        return str(self.key)

"""The providers that settings name, ready to sign people in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bezant.codes import Codes
from bezant.errors import ConfigurationError, Refused
from bezant.fetch import Fetch
from bezant.keys import Key
from bezant.relying_party import RelyingParty
from bezant.upstream import Identity, UpstreamProvider
from bezant_server.accounts.directory import checked_email, checked_name, checked_username
from bezant_server.federation.identities import Newcomer
from bezant_server.federation.settings import ProviderSettings

__all__ = ["MAX_ANSWER", "Provider", "open_providers", "redirect_uri"]

MAX_ANSWER: Final = 1024 * 1024
"""Bytes of a provider's answer that are read."""

LONGEST_LABEL: Final = 255
"""Characters of what an identity is called."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider."""

    name: str
    """In settings and paths."""
    settings: ProviderSettings
    party: RelyingParty

    @property
    def label(self) -> str:
        """What people call it."""
        return self.settings.label or self.name

    def newcomer(self, identity: Identity) -> Newcomer:
        """Somebody who comes from it, as the rules of accounts see them."""
        claims = identity.claims
        email = _email(identity.email)
        trusted = self.settings.link_by_verified_email and identity.email_verified
        wanted = claims.get(self.settings.username_claim)
        label = next(one for one in (email, _username(wanted), identity.subject) if one is not None)
        names = (wanted, email and email.partition("@")[0], identity.subject, self.name)
        return Newcomer(
            issuer=identity.issuer,
            subject=identity.subject,
            label=label[:LONGEST_LABEL],
            username=next(name for name in map(_username, names) if name is not None),
            name=_name(claims.get("name")),
            email=email if trusted else None,
            create=self.settings.create_accounts,
        )


def redirect_uri(issuer: str, name: str) -> str:
    """What is to be registered at a provider.

    Args:
        issuer: This server's.
        name: The provider's.
    """
    return f"{issuer}/login/with/{name}/callback"


def open_providers(
    settings: Mapping[str, ProviderSettings],
    *,
    issuer: str,
    codes: Codes,
    fetch: Fetch,
    leeway: float,
    clock: Callable[[], float],
) -> dict[str, Provider]:
    """All providers, by name.

    Args:
        settings: By name.
        issuer: This server's.
        codes: Remembers which sign-ins have begun.
        fetch: Sends requests.
        leeway: Seconds that clocks may differ.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: A setting is missing, unsafe or contradictory, or a file cannot be read.
    """
    providers: dict[str, Provider] = {}
    issuers = {issuer: "this server"}
    for name, one in settings.items():
        if one.issuer in issuers:
            raise ConfigurationError(
                f"providers.{name}.issuer", f"{issuers[one.issuer]} has the same one"
            )
        issuers[one.issuer] = f"providers.{name}"
        party = RelyingParty(
            _upstream(name, one),
            codes,
            fetch,
            redirect_uri=redirect_uri(issuer, name),
            leeway=leeway,
            clock=clock,
        )
        providers[name] = Provider(name, one, party)
    return providers


def _upstream(name: str, settings: ProviderSettings) -> UpstreamProvider:
    try:
        return UpstreamProvider(
            name=name,
            issuer=settings.issuer,
            client_id=settings.client_id,
            client_secret=_secret(settings),
            client_key=_key(settings.client_key_file),
            auth_method=settings.auth_method,
            openid=settings.openid,
            scopes=settings.asked_scopes(),
            authorize_url=settings.authorize_url,
            token_url=settings.token_url,
            userinfo_url=settings.userinfo_url,
            jwks_url=settings.jwks_url,
            userinfo=settings.userinfo,
            subject_claim=settings.subject_claim,
            parameters=settings.parameters,
        )
    except ConfigurationError as error:
        place = f"providers.{name}"
        if error.setting != "name":
            place += f".{error.setting}"
        raise ConfigurationError(place, error.problem) from None


def _secret(settings: ProviderSettings) -> str | None:
    if settings.client_secret_file is None:
        return settings.client_secret
    if settings.client_secret is not None:
        raise ConfigurationError("client_secret", "give the secret or its file, not both")
    return _read("client_secret_file", settings.client_secret_file)


def _key(file: Path | None) -> Key | None:
    if file is None:
        return None
    text = _read("client_key_file", file)
    try:
        key = Key.from_jwk(json.loads(text))
        key.private_jwk()
    except (ValueError, AttributeError):
        raise ConfigurationError("client_key_file", f"{file} holds no JWK") from None
    except ConfigurationError as error:
        raise ConfigurationError("client_key_file", f"{file}: {error.problem}") from None
    return key


def _read(setting: str, file: Path) -> str:
    try:
        text = file.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigurationError(setting, f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(setting, f"{file} is not UTF-8") from None
    if not text:
        raise ConfigurationError(setting, f"{file} is empty")
    return text


def _email(email: str | None) -> str | None:
    try:
        return None if email is None else checked_email(email)
    except Refused:
        return None


def _username(wanted: object) -> str | None:
    """A name that an account could have, with room for a number behind it."""
    if not isinstance(wanted, str):
        return None
    try:
        return checked_username(wanted[:200].strip())
    except Refused:
        return None


def _name(name: object) -> str:
    try:
        return checked_name(name) if isinstance(name, str) else ""
    except Refused:
        return ""

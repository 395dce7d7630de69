"""Settings of one upstream provider: a table `[providers.NAME]` in TOML."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bezant.claims import OPENID

__all__ = ["ProviderSettings"]


class ProviderSettings(BaseModel):
    """What can be set of a provider. Names that core has mean what they mean there
    (`bezant.upstream.UpstreamProvider`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    label: str = Field(default="", max_length=60)
    """What people call it; its name by default."""
    issuer: str = Field(max_length=255)
    """Its URL, exactly as it stands in `iss`. Identities are kept under it: another issuer is
    another provider."""
    client_id: str
    """What this server is registered as there."""
    client_secret: str | None = Field(default=None, repr=False)
    """The secret it got there. A file is better."""
    client_secret_file: Path | None = None
    """A file that holds the secret, and nothing else."""
    client_key_file: Path | None = None
    """A file that holds a private JWK, for `private_key_jwt` in place of a secret."""
    auth_method: str | None = None
    """`client_secret_basic` (the default with a secret), `client_secret_post`, `private_key_jwt` or
    `none`."""
    openid: bool = True
    """Whether it speaks OpenID Connect. Without, its UserInfo alone says who somebody is."""
    scopes: tuple[str, ...] | None = None
    """What it is asked for: `openid`, `email` and `profile` by default."""
    authorize_url: str | None = None
    """Its authorization endpoint, when metadata do not say, or put it at another origin."""
    token_url: str | None = None
    """Its token endpoint, likewise."""
    userinfo_url: str | None = None
    """Its UserInfo endpoint, likewise."""
    jwks_url: str | None = None
    """Its keys, likewise."""
    userinfo: bool = True
    """Whether its UserInfo endpoint is asked, when there is one."""
    subject_claim: str = "sub"
    """Which member of UserInfo is the subject, for a provider without OpenID Connect."""
    username_claim: str = "preferred_username"
    """Which claim the name of a new account begins with; the e-mail address and the subject are
    tried after it."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """More parameters for its authorization endpoint."""
    create_accounts: bool = False
    """Whether somebody who comes for the first time gets an account. Without, an account has to be
    linked first."""
    link_by_verified_email: bool = False
    """Whether it is trusted with e-mail addresses: an address that it says it has verified leads to
    the account whose address is marked as verified here, and new accounts have it as verified."""

    def asked_scopes(self) -> tuple[str, ...]:
        """The scopes, by default those that suit."""
        if self.scopes is not None:
            return self.scopes
        return (OPENID, "email", "profile") if self.openid else ()

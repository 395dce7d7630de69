"""Signing in in a browser, once for many clients: what the code flow and OpenID Connect add to an
authorization server. It puts parts together; no protocol rule lives here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from bezant.authorization_response import error_page
from bezant.authorizations import Authorizations
from bezant.backchannel_logout import BackchannelLogout
from bezant.client_authentication import ClientAuthentication
from bezant.clients import ID_TOKEN_ALGORITHMS
from bezant.codes import Codes
from bezant.config import ServerConfig
from bezant.endpoints import Endpoint, Handler
from bezant.endpoints.authorize import AuthorizeEndpoint
from bezant.endpoints.end_session import EndSessionEndpoint
from bezant.endpoints.handling import Answer, answering
from bezant.endpoints.par import PAREndpoint
from bezant.endpoints.userinfo import UserInfoEndpoint
from bezant.errors import ConfigurationError, OAuthError
from bezant.events import Events
from bezant.fetch import Fetch
from bezant.grants.authorization_code import AuthorizationCodeGrant
from bezant.guard import ResourceGuard
from bezant.http import Request, Response
from bezant.id_token_hints import IDTokenHints
from bezant.id_tokens import IDTokens
from bezant.interactions import InteractionConfig, Interactions
from bezant.keyring import KeyRing
from bezant.login import Accounts
from bezant.logouts import Logouts
from bezant.pushed_requests import PushedRequests
from bezant.revocation import Revocations
from bezant.runtime import Runtime
from bezant.stores import Stores
from bezant.verifier import TokenVerifier

__all__ = ["SingleSignOn"]


class SingleSignOn:
    """The authorization endpoint and what belongs to it.

    Args:
        config: How the server behaves.
        interaction: The application's pages.
        stores: Where its state is.
        keys: What signs ID tokens.
        codes: Codes and what else is good once.
        authorizations: What was given.
        accounts: Where resource owners come from.
        revocations: What was revoked.
        fetch: Sends logout tokens.
        events: Told of what happens.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: ID tokens cannot be signed beside HS256.
    """

    def __init__(
        self,
        config: ServerConfig,
        interaction: InteractionConfig,
        stores: Stores,
        keys: KeyRing,
        codes: Codes,
        authorizations: Authorizations,
        accounts: Accounts,
        revocations: Revocations,
        fetch: Fetch,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        if config.algorithm == "HS256":
            raise ConfigurationError("algorithm", "HS256 is no algorithm for many clients")
        self._config = config
        self._stores = stores
        self._keys = keys
        self._codes = codes
        self._accounts = accounts
        self._authorizations = authorizations
        self._clock = clock
        self._error_page = interaction.error_page or error_page
        keys.algorithms = tuple(dict.fromkeys((*keys.algorithms, *ID_TOKEN_ALGORITHMS)))
        self.paths: Mapping[str, str] = {
            "authorize": config.endpoint_prefix + "/authorize",
            "par": config.endpoint_prefix + "/par",
            "userinfo": config.endpoint_prefix + "/userinfo",
        }
        if interaction.logout_url is not None:
            self.paths = {**self.paths, "end_session": config.endpoint_prefix + "/logout"}
        self.id_tokens: IDTokens = IDTokens(config, keys)
        self.interactions: Interactions = Interactions(
            interaction,
            codes,
            stores.clients,
            stores.consents,
            events,
            authorize_url=config.issuer + self.paths["authorize"],
            issuer=config.issuer,
            clock=clock,
        )
        self.logouts: Logouts = Logouts(
            interaction.logout_url,
            codes,
            stores.clients,
            authorizations,
            BackchannelLogout(stores.logouts, stores.clients, config, keys, fetch, events, clock),
            events,
            clock,
        )
        self.grant: AuthorizationCodeGrant = AuthorizationCodeGrant(
            codes, authorizations, accounts, stores.consents, revocations, events
        )

    def endpoints(
        self,
        authentication: ClientAuthentication,
        own_tokens: TokenVerifier,
        metadata: Handler,
        first: Callable[[Runtime], Awaitable[None]],
    ) -> Iterable[Endpoint]:
        """The endpoints.

        Args:
            authentication: Says which client is asking.
            own_tokens: Verifies the server's own access tokens.
            metadata: Answers with the metadata.
            first: Done before each answer.
        """
        config, limit = self._config, self._config.max_body_size
        hints, pushed = IDTokenHints(config, self._keys), PushedRequests(self._codes)
        guard = ResourceGuard(own_tokens, realm="userinfo")

        def served(
            methods: tuple[str, ...],
            answer: Answer,
            refuse: Callable[[OAuthError, Request], Response] | None = None,
            *,
            cross_origin: bool = True,
        ) -> Handler:
            options = {} if refuse is None else {"refuse": refuse}
            return answering(
                methods, answer, self._clock, first=first, cross_origin=cross_origin, **options
            )

        authorize = AuthorizeEndpoint(
            config,
            self._stores.clients,
            self._stores.consents,
            self._codes,
            self.interactions,
            pushed,
            hints,
        )
        userinfo = UserInfoEndpoint(
            guard,
            self._stores.authorizations,
            self._accounts,
            self._stores.clients,
            config,
            self._keys,
        )
        yield Endpoint(
            "authorize",
            BOTH,
            self.paths["authorize"],
            served(BOTH, authorize, self._error_page, cross_origin=False),
            max_body=limit,
            summary="Sign in and come back with a code (RFC 6749)",
        )
        yield Endpoint(
            "par",
            ("POST",),
            self.paths["par"],
            served(("POST",), PAREndpoint(authentication, pushed, config)),
            max_body=limit,
            summary="Push an authorization request (RFC 9126)",
        )
        yield Endpoint(
            "userinfo",
            BOTH,
            self.paths["userinfo"],
            served(BOTH, userinfo, lambda error, _: guard.refuse(error)),
            max_body=limit,
            summary="Who signed in (OpenID Connect)",
        )
        yield Endpoint(
            "openid_configuration",
            ("GET",),
            OPENID_CONFIGURATION,
            metadata,
            summary="Metadata (OpenID Connect Discovery)",
        )
        if "end_session" in self.paths:
            end_session = EndSessionEndpoint(config, self._stores.clients, hints, self.logouts)
            yield Endpoint(
                "end_session",
                BOTH,
                self.paths["end_session"],
                served(BOTH, end_session, self._error_page, cross_origin=False),
                max_body=limit,
                summary="Sign out (OpenID Connect RP-Initiated Logout)",
            )


BOTH: Final = ("GET", "POST")

OPENID_CONFIGURATION: Final = "/.well-known/openid-configuration"
"""Below the issuer's own path, other than RFC 8414 has it."""

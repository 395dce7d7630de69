"""The authorization server: configuration, stores and grants put together. No protocol rule lives
here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from bezant.authorizations import Authorizations
from bezant.client_assertions import ClientAssertions
from bezant.client_authentication import ClientAuthentication
from bezant.codes import Codes
from bezant.config import ServerConfig
from bezant.endpoints import Endpoint, Handler
from bezant.endpoints.handling import Answer, answering
from bezant.endpoints.introspection import IntrospectionEndpoint
from bezant.endpoints.metadata import JWKSEndpoint, MetadataEndpoint
from bezant.endpoints.revocation import RevocationEndpoint
from bezant.endpoints.revocation_feed import RevocationFeedEndpoint
from bezant.endpoints.token import TokenEndpoint
from bezant.errors import ConfigurationError
from bezant.events import Event, Events, PasswordRehashed
from bezant.fetch import Fetch, HTTPFetch
from bezant.grants import Grant
from bezant.grants.client_credentials import ClientCredentialsGrant
from bezant.grants.password import PasswordGrant
from bezant.grants.refresh_token import RefreshTokenGrant
from bezant.interactions import InteractionConfig, Interactions
from bezant.keyring import KeyRing
from bezant.legacy import LegacyTokens
from bezant.login import Accounts, HostAccounts, Login, StoredAccounts
from bezant.logout_sender import LogoutSender
from bezant.logouts import Logouts
from bezant.passwords import HashingPool, PasswordHasher
from bezant.refresh_tokens import RefreshTokens
from bezant.revocation import Revocations
from bezant.runtime import MaybeAwaitable, Runtime
from bezant.secret_key import SecretKeyRing
from bezant.single_sign_on import SingleSignOn
from bezant.stores import (
    AuthorizationStore,
    ClientStore,
    CodeStore,
    ConsentStore,
    KeyStore,
    LogoutStore,
    RevocationStore,
    Stores,
    ThrottleStore,
    UserStore,
)
from bezant.tokens import Issuer
from bezant.users import User
from bezant.verifier import TokenVerifier

__all__ = ["AuthorizationServer"]

WELL_KNOWN: Final = "/.well-known/oauth-authorization-server"


class AuthorizationServer:
    """Issues, renews, describes and revokes tokens.

    Give either ``users``, a store whose password hashes Bezant verifies, or ``authenticate`` and
    ``get_user`` of an application that checks passwords itself; or none of them, for clients that
    act for themselves only.

    Args:
        config: How it behaves.
        stores: Where its state is; `MemoryStores` or `SQLStores`.
        secret_key: Secrets for encryption at rest and refresh tokens, newest first; see
            `SecretKeyRing`.
        users: Accounts with password hashes.
        authenticate: Takes name and password, returns the `User` or None.
        get_user: Takes a subject, returns the `User` as of now or None.
        hasher: How passwords are hashed.
        interaction: The application's pages, for signing in in browsers (the authorization code
            flow, OpenID Connect); without it there is no authorization endpoint.
        fetch: Sends requests to clients: for their keys, and to tell them of logouts.
        grants: Further grants.
        legacy: Tokens of another library that applications in this process take as well, for the
            time of a cut-over; the endpoints do not.
        subscribers: Told of every event.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: The parts contradict each other.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        stores: Stores,
        secret_key: SecretKeyRing | str,
        users: UserStore | None = None,
        authenticate: Callable[[str, str], MaybeAwaitable[User | None]] | None = None,
        get_user: Callable[[str], MaybeAwaitable[User | None]] | None = None,
        hasher: PasswordHasher | None = None,
        interaction: InteractionConfig | None = None,
        fetch: Fetch | None = None,
        grants: Iterable[Grant] = (),
        legacy: LegacyTokens | None = None,
        subscribers: Iterable[Callable[[Event], None]] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        secret_keys = SecretKeyRing.parse(secret_key) if isinstance(secret_key, str) else secret_key
        self.config: ServerConfig = config
        self.stores: Stores = stores
        self.clock: Callable[[], float] = clock
        self.events: Events = Events(subscribers)
        self.legacy: LegacyTokens | None = legacy
        self.hasher: PasswordHasher = hasher or PasswordHasher()
        self.hashing_pool: HashingPool = HashingPool()
        self._users = users
        self._callables: dict[str, object] = {"authenticate": authenticate, "get_user": get_user}

        self.keys: KeyRing = KeyRing(stores.keys, secret_keys, config, self.events, clock)
        self.revocations: Revocations = Revocations(stores.revocations, config, clock)
        refresh_tokens = RefreshTokens(secret_keys)
        self.authorizations: Authorizations = Authorizations(
            stores.authorizations, refresh_tokens, self.revocations, config, self.events
        )
        accounts = self._accounts(users, authenticate, get_user)
        self.login: Login | None = (
            Login(accounts, stores.throttle, config, self.events) if accounts is not None else None
        )
        self.codes: Codes = Codes(stores.codes)
        self._fetch: Fetch = fetch or HTTPFetch()
        self._sso: SingleSignOn | None = None
        if interaction is not None:
            if self.login is None:
                raise ConfigurationError(
                    "interaction", "give users, or authenticate and get_user: who signs in?"
                )
            self._sso = SingleSignOn(
                config,
                interaction,
                stores,
                self.keys,
                self.codes,
                self.authorizations,
                self.login.accounts,
                self.revocations,
                self._fetch,
                self.events,
                clock,
            )
            self._callables["interaction.sign_in"] = interaction.sign_in
        self.grants: tuple[Grant, ...] = (ClientCredentialsGrant(config), *grants)
        if self._sso is not None:
            self.grants += (self._sso.grant,)
        if self.login is not None:
            self.grants += (
                PasswordGrant(self.login, self.authorizations, config),
                RefreshTokenGrant(self.authorizations, self.login.accounts),
            )
        self.endpoints: tuple[Endpoint, ...] = self._endpoints(
            Issuer(
                config,
                self.keys,
                refresh_tokens,
                self.revocations.view,
                None if self._sso is None else self._sso.id_tokens,
            )
        )

    @property
    def interactions(self) -> Interactions:
        """The application's side of signing in in browsers.

        Raises:
            ConfigurationError: The server has no `InteractionConfig`.
        """
        return self._single_sign_on.interactions

    @property
    def logouts(self) -> Logouts:
        """The application's side of signing out, and the end of sign-ins.

        Raises:
            ConfigurationError: The server has no `InteractionConfig`.
        """
        return self._single_sign_on.logouts

    @property
    def logout_sender(self) -> LogoutSender | None:
        """Tells clients of logouts; None without an `InteractionConfig`."""
        return None if self._sso is None else self._sso.logouts.sender

    @property
    def _single_sign_on(self) -> SingleSignOn:
        if self._sso is None:
            raise ConfigurationError("interaction", "give AuthorizationServer an InteractionConfig")
        return self._sso

    def verifier(
        self, audience: str | Iterable[str] | None = None, *, cache_size: int = 10_000
    ) -> TokenVerifier:
        """A verifier of this server's access tokens, in the same process: no HTTP, keys and
        revocations shared.

        Args:
            audience: The resource server's name; the configured audience by default.
            cache_size: Verified tokens that are remembered.
        """
        return TokenVerifier(
            issuer=self.config.issuer,
            audience=self.config.default_audience if audience is None else audience,
            keys=self.keys,
            revocations=self.revocations.view,
            sources=(self.keys, self.revocations),
            leeway=self.config.leeway,
            max_token_size=self.config.max_token_size,
            cache_size=cache_size,
            clock=self.clock,
        )

    def check(self, runtime: Runtime) -> None:
        """Refuse stores that a framework cannot call; adapters do this at set-up.

        Raises:
            ConfigurationError: Names the setting and the method.
        """
        for name, protocol in _STORES.items():
            runtime.check(f"stores.{name}", getattr(self.stores, name), protocol)
        if self._users is not None:
            runtime.check("users", self._users, UserStore)
        for name, function in self._callables.items():
            if function is not None:
                runtime.check(name, function)

    def public_path(self, name: str) -> str:
        """Where clients find an endpoint, below the origin of the issuer's URL."""
        endpoints = {endpoint.name: endpoint for endpoint in self.endpoints}
        return urlsplit(self.config.issuer).path + endpoints[name].path

    @property
    def origin_endpoints(self) -> tuple[Endpoint, ...]:
        """The well-known documents alone, at their paths below the origin of the issuer's URL: for
        the root of the outermost application, when a prefix moves the rest (RFC 8615).
        """
        path = urlsplit(self.config.issuer).path
        return tuple(e for e in self.endpoints if e.well_known and e.path.endswith(path))

    def check_place(self, place: str, origin: Collection[str], remedy: str) -> None:
        """Refuse routes that are not where the issuer's URL leads; adapters do this at start.

        Args:
            place: Where the application has the token endpoint.
            origin: Paths at which it has well-known documents.
            remedy: What to add to the application when one of those is missing.

        Raises:
            ConfigurationError: Says where the routes are and where they should be.
        """
        issuer, public = self.config.issuer, self.public_path("token")
        # A proxy may take a first part of the path away; nothing can put one in.
        if not public.endswith(place):
            raise ConfigurationError(
                "issuer",
                f"{issuer} puts the token endpoint at {public}, but it is at {place}; add the "
                "prefix to the issuer, or leave it out and set ServerConfig.endpoint_prefix",
            )
        for document in self.origin_endpoints if public == place else ():
            if document.path not in origin:
                raise ConfigurationError(
                    "well_known",
                    f"{issuer} needs {document.path}, which a prefix must not move; {remedy}",
                )

    async def prepare(self, runtime: Runtime) -> None:
        """Make a first signing key when there is none.

        Adapters do this at start, so that no request waits for it; otherwise the first one does.
        """
        await self.keys.ensure(runtime)

    async def purge(self, runtime: Runtime) -> int:
        """Forget what has ended: authorizations, revocations, counters, keys.

        Returns:
            How many rows.
        """
        now = self.clock()
        # Ended authorizations stay for a day, so that the reuse of an old refresh token is still
        # told apart.
        return (
            await runtime.call(self.stores.authorizations.purge, now - 86400)
            + await runtime.call(self.stores.revocations.purge, now)
            + await runtime.call(self.stores.throttle.purge, now - self.config.account_limit.memory)
            + await runtime.call(self.stores.codes.purge, now)
            + await self.keys.prune(runtime)
        )

    def close(self) -> None:
        """Stop the threads that hash, and the one that tells clients of logouts."""
        if self.logout_sender is not None:
            self.logout_sender.close()
        self.hashing_pool.close()

    def _accounts(
        self,
        users: UserStore | None,
        authenticate: Callable[[str, str], MaybeAwaitable[User | None]] | None,
        get_user: Callable[[str], MaybeAwaitable[User | None]] | None,
    ) -> Accounts | None:
        if users is not None:
            if authenticate is not None or get_user is not None:
                raise ConfigurationError("users", "give either users, or authenticate and get_user")

            def replaced(subject: str) -> None:
                self.events.emit(PasswordRehashed(at=self.clock(), subject=subject))

            return StoredAccounts(users, self.hasher, self.hashing_pool, replaced)
        if (authenticate is None) != (get_user is None):
            raise ConfigurationError(
                "authenticate", "give get_user too: a refresh reads the user's present state"
            )
        return (
            HostAccounts(authenticate, get_user)
            if authenticate is not None and get_user is not None
            else None
        )

    def _endpoints(self, issuer: Issuer) -> tuple[Endpoint, ...]:
        config, events = self.config, self.events
        paths = {
            "token": config.endpoint_prefix + "/token",
            "revocation": config.endpoint_prefix + "/revoke",
            "introspection": config.endpoint_prefix + "/introspect",
            "jwks": config.endpoint_prefix + "/jwks.json",
        }
        if config.algorithm != "HS256":  # whose signatures nobody else can check
            paths["revocation_feed"] = config.endpoint_prefix + "/revocations"
        if self._sso is not None:
            paths |= self._sso.paths
        authenticated = ["token"] if self._sso is None else ["token", "par"]
        assertions = ClientAssertions(
            [config.issuer, *(config.issuer + paths[name] for name in authenticated)],
            self.codes,
            self._fetch,
            leeway=config.leeway,
            max_size=config.max_token_size,
        )
        authentication = ClientAuthentication(
            self.stores.clients, assertions, events, ttl=config.client_cache_ttl
        )
        own_tokens = TokenVerifier.of_issuer(
            config.issuer,
            keys=self.keys,
            revocations=self.revocations.view,
            sources=(self.keys, self.revocations),
            max_token_size=config.max_token_size,
            clock=self.clock,
        )
        limit = config.max_body_size
        token = TokenEndpoint(authentication, self.grants, issuer, events, max_body_size=limit)
        revocation = RevocationEndpoint(
            authentication,
            self.authorizations,
            self.revocations,
            own_tokens,
            events,
            max_body_size=limit,
        )
        introspection = IntrospectionEndpoint(
            authentication, self.authorizations, self.revocations, own_tokens, config
        )
        post, get = ("POST",), ("GET",)
        metadata = self._answering(
            get, MetadataEndpoint(config, paths, [grant.grant_type for grant in self.grants])
        )
        feed: tuple[Endpoint, ...] = ()
        if "revocation_feed" in paths:
            answer = RevocationFeedEndpoint(config, self.keys, self.revocations, self.clock)
            feed = (
                Endpoint(
                    "revocation_feed",
                    get,
                    paths["revocation_feed"],
                    self._answering(get, answer),
                    summary="What was revoked, signed",
                ),
            )
        endpoints: tuple[Endpoint, ...] = (
            Endpoint(
                "token",
                post,
                paths["token"],
                self._answering(post, token),
                max_body=limit,
                summary="Get tokens (RFC 6749)",
            ),
            Endpoint(
                "revocation",
                post,
                paths["revocation"],
                self._answering(post, revocation),
                max_body=limit,
                summary="End a token (RFC 7009)",
            ),
            Endpoint(
                "introspection",
                post,
                paths["introspection"],
                self._answering(post, introspection),
                max_body=limit,
                summary="Is a token live? (RFC 7662)",
            ),
            Endpoint(
                "jwks",
                get,
                paths["jwks"],
                self._answering(get, JWKSEndpoint(self.keys, config)),
                summary="Public keys (RFC 7517)",
            ),
            *feed,
            Endpoint(
                "metadata",
                get,
                WELL_KNOWN,
                metadata,
                well_known=True,
                summary="Metadata (RFC 8414)",
            ),
        )
        if self._sso is not None:
            endpoints += tuple(
                self._sso.endpoints(authentication, own_tokens, metadata, self.keys.ready)
            )
        if path := urlsplit(config.issuer).path:
            # The path of the issuer comes after the well-known part (RFC 8414 section 3.1); the
            # plain spelling stays for an application that is mounted at that path.
            endpoints += (
                Endpoint(
                    "metadata_at_origin",
                    get,
                    WELL_KNOWN + path,
                    metadata,
                    well_known=True,
                    summary="Metadata (RFC 8414)",
                ),
            )
        return endpoints

    def _answering(self, methods: tuple[str, ...], answer: Answer) -> Handler:
        return answering(methods, answer, self.clock, first=self.keys.ready)


_STORES: Final[Mapping[str, type]] = {
    "clients": ClientStore,
    "authorizations": AuthorizationStore,
    "keys": KeyStore,
    "revocations": RevocationStore,
    "throttle": ThrottleStore,
    "codes": CodeStore,
    "consents": ConsentStore,
    "logouts": LogoutStore,
}

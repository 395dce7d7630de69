"""The ``BEZANT`` setting, and what is made of it: one guard, and a server where tokens are issued.

Everything is made when it is first asked for, and again when the setting changes, as it does in
tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from difflib import get_close_matches
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakSet

from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from bezant import (
    AuthorizationServer,
    ConfigurationError,
    ResourceGuard,
    ServerConfig,
    TokenVerifier,
    Verifier,
    guard_for,
)
from bezant.events import Events
from bezant.interactions import InteractionConfig
from bezant.legacy import LegacyTokens, LegacyVerifier
from bezant.logout_receiver import LogoutReceiver
from bezant.runtime import SYNC
from django_bezant import signals
from django_bezant._http import RUNTIME

if TYPE_CHECKING:
    from django_bezant.backends import BearerBackend

__all__ = ["KEYS", "Site", "server", "site"]

KEYS: Final[Mapping[str, str]] = {
    "ISSUER": "the issuer's URL, exactly as it stands in `iss`",
    "AUDIENCE": "this application's name in `aud`, or several",
    "REALM": "what the challenge calls the protected space",
    "RESOURCE": "this application's own URL, to serve metadata about it (RFC 9728)",
    "RESOURCE_METADATA": "URL of such metadata that is served elsewhere",
    "SCOPES": "scopes and what they allow, in words for people",
    "SECRET_KEY": "secrets for keys at rest and refresh tokens, newest first",
    "USING": "the database that holds what the server keeps; by default where routers write it",
    "PERMISSIONS": "app labels and names of the permissions that tokens carry; by default all",
    "SERVER": "True, a dict of further ServerConfig fields, or what makes an AuthorizationServer",
    "VERIFIER": "a dict of further options of TokenVerifier.from_issuer, or what makes a Verifier",
    "INTERACTION": "a dict of InteractionConfig fields, for signing people in in browsers",
    "LOGOUT_RECEIVER": "told of logouts at an issuer: what makes a LogoutReceiver",
    "LEGACY": "another library's tokens, taken for the time of a cut-over: what makes LegacyTokens",
}
"""What ``BEZANT`` may hold."""
_ISSUING: Final = ("SECRET_KEY", "USING", "PERMISSIONS", "INTERACTION")


@dataclass(frozen=True, eq=False, slots=True)
class Site:
    """What the setting makes."""

    guard: ResourceGuard
    """Stands in front of the project's resources."""
    server: AuthorizationServer | None
    """Issues tokens; None where they come from elsewhere."""
    scopes: Mapping[str, str]
    """Scopes and what they allow."""
    blocking: bool
    """Whether flows can run without an event loop: nothing that they call is ``async def``."""
    backend: BearerBackend | None
    """Finds the users of tokens, when the project has it among its authentication backends."""


def site() -> Site:
    """What the setting makes.

    Raises:
        ConfigurationError: Something is missing, unknown or contradictory; names the key.
    """
    return _current or _make()


def server() -> AuthorizationServer:
    """The project's authorization server.

    Raises:
        ConfigurationError: It has none.
    """
    found = site().server
    if found is None:
        raise ConfigurationError("BEZANT['SERVER']", "this project issues no tokens; set it")
    return found


_current: Site | None = None
_lock = RLock()
_heard: WeakSet[Events] = WeakSet()


def _make() -> Site:
    global _current  # noqa: PLW0603
    with _lock:
        if _current is None:
            _current = _build(getattr(settings, "BEZANT", {}))
        return _current


def _forget(*, setting: str, **_: object) -> None:
    global _current
    if setting in {"AUTHENTICATION_BACKENDS", "BEZANT", "DATABASE_ROUTERS", "INSTALLED_APPS"}:
        with _lock:
            old, _current = _current, None
        if old is not None:
            old.guard.verifier.close()
            if old.server is not None and old.server.logout_sender is not None:
                old.server.logout_sender.close()


setting_changed.connect(_forget, dispatch_uid="django_bezant.conf")


def _build(values: Mapping[str, Any]) -> Site:
    _check_names(values)
    issuing = _server(values)
    verifier = _verifier(values) if issuing is None else None
    made_here = _is_settings(values.get("SERVER"))
    receiver = _receiver(values)
    scopes = values.get("SCOPES")
    if scopes is None:
        scopes = {} if issuing is None else issuing.config.scopes
    with _blaming(None):
        guard = guard_for(
            issuing or verifier,  # type: ignore[arg-type]
            RUNTIME,
            audience=None if verifier is not None or made_here else values.get("AUDIENCE"),
            realm=values.get("REALM", "api"),
            resource=values.get("RESOURCE"),
            scopes=scopes,
            resource_metadata=values.get("RESOURCE_METADATA"),
            logout_receiver=receiver,
        )
    if guard.events not in _heard:  # a server of the project's own may be there before and after
        _heard.add(guard.events)
        guard.events.subscribe(signals.announce)
    blocking = _is_blocking(issuing, guard.verifier, receiver)
    return Site(guard, issuing, scopes, blocking, _backend())


def _server(values: Mapping[str, Any]) -> AuthorizationServer | None:
    given = values.get("SERVER")
    if given is None or given is False:
        _refuse(values, "is for a project that issues tokens; set SERVER", *_ISSUING)
        return None
    _refuse(values, "a project that issues tokens verifies them itself; leave it out", "VERIFIER")
    if not _is_settings(given):
        _refuse(values, "SERVER has its own; leave it out", "ISSUER", "LEGACY", *_ISSUING)
        return cast(AuthorizationServer, _made("SERVER", given, AuthorizationServer))
    from django_bezant.accounts import authenticate, get_user
    from django_bezant.stores import django_stores

    further = {} if given is True else dict(given)
    known = {field.name for field in fields(ServerConfig)} - {"issuer", "audience", "scopes"}
    for name in further:
        if name not in known:
            raise ConfigurationError(f"BEZANT['SERVER'][{name!r}]", _unknown(name, known))
    if not values.get("SECRET_KEY"):
        raise ConfigurationError(
            "BEZANT['SECRET_KEY']", "set it, to what SecretKeyRing.generate() makes"
        )
    with _blaming("SERVER"):
        config = ServerConfig(
            issuer=values.get("ISSUER", ""),
            audience=_names(values.get("AUDIENCE")),
            scopes=values.get("SCOPES") or {},
            **further,
        )
        return AuthorizationServer(
            config,
            stores=django_stores(values.get("USING")),
            secret_key=values["SECRET_KEY"],
            authenticate=authenticate,
            get_user=get_user,
            interaction=_interaction(values),
            legacy=_legacy(values),
        )


def _interaction(values: Mapping[str, Any]) -> InteractionConfig | None:
    given = values.get("INTERACTION")
    if given is None or isinstance(given, InteractionConfig):
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError("BEZANT['INTERACTION']", f"give {KEYS['INTERACTION']}")
    known = {field.name for field in fields(InteractionConfig)}
    for name in given:
        if name not in known:
            raise ConfigurationError(f"BEZANT['INTERACTION'][{name!r}]", _unknown(name, known))
    for name in ("login_url", "consent_url"):
        if not given.get(name):
            raise ConfigurationError(f"BEZANT['INTERACTION'][{name!r}]", "is missing")
    if "sign_in" not in given:
        if not apps.is_installed("django.contrib.sessions"):
            raise ConfigurationError(
                "BEZANT['INTERACTION']['sign_in']",
                "say who is signed in, or add django.contrib.sessions to INSTALLED_APPS",
            )
        from django_bezant.sign_in import signed_in

        given = {**given, "sign_in": signed_in}
    try:
        return InteractionConfig(**given)
    except ConfigurationError as error:
        name = error.setting.removeprefix("interaction.")
        raise ConfigurationError(f"BEZANT['INTERACTION'][{name!r}]", error.problem) from None


def _receiver(values: Mapping[str, Any]) -> LogoutReceiver | None:
    given = values.get("LOGOUT_RECEIVER")
    if given is None:
        return None
    return cast(LogoutReceiver, _made("LOGOUT_RECEIVER", given, LogoutReceiver))


def _legacy(values: Mapping[str, Any]) -> LegacyTokens | None:
    given = values.get("LEGACY")
    with _blaming("LEGACY"):
        return None if given is None else cast(LegacyTokens, _made("LEGACY", given, LegacyTokens))


def _verifier(values: Mapping[str, Any]) -> Verifier:
    verifier, legacy = _of_issuer(values), _legacy(values)
    return verifier if legacy is None else LegacyVerifier(verifier, legacy)


def _of_issuer(values: Mapping[str, Any]) -> Verifier:
    given = values.get("VERIFIER", {})
    if not _is_settings(given):
        _refuse(values, "VERIFIER has its own; leave it out", "ISSUER", "AUDIENCE")
        return cast(Verifier, _made("VERIFIER", given, Verifier))
    issuer, audience = values.get("ISSUER", ""), _names(values.get("AUDIENCE"))
    if not issuer and not audience:
        raise ConfigurationError(
            "BEZANT", "set ISSUER and AUDIENCE to take tokens from elsewhere, SERVER to issue them"
        )
    for name, value in (("ISSUER", issuer), ("AUDIENCE", audience)):
        if not value:
            raise ConfigurationError(f"BEZANT[{name!r}]", f"is missing: {KEYS[name]}")
    further = {} if given is True else dict(given)
    with _blaming("VERIFIER"):
        try:
            return TokenVerifier.from_issuer(issuer, audience=audience, **further)
        except TypeError as error:  # an option that is not there
            raise ConfigurationError("BEZANT['VERIFIER']", str(error)) from None


def _made(key: str, given: Any, kind: type[Any]) -> Any:
    """What a dotted path or a callable gives, or the thing itself."""
    if isinstance(given, str):
        try:
            given = import_string(given)
        except ImportError as error:
            raise ConfigurationError(f"BEZANT[{key!r}]", str(error)) from error
    if callable(given) and not isinstance(given, kind):
        given = given()
    if not isinstance(given, kind):
        raise ConfigurationError(
            f"BEZANT[{key!r}]", f"give {KEYS[key]}; this is {type(given).__name__}"
        )
    return given


def _is_settings(given: object) -> bool:
    return given is True or isinstance(given, Mapping)


def _is_blocking(
    issuing: AuthorizationServer | None, verifier: Verifier, receiver: LogoutReceiver | None
) -> bool:
    try:
        if issuing is not None:
            issuing.check(SYNC)
        verifier.check(SYNC)
        if receiver is not None:
            receiver.check(SYNC)
    except ConfigurationError:
        return False
    return True


def _backend() -> BearerBackend | None:
    if not apps.is_installed("django.contrib.auth"):
        return None
    from django_bezant.backends import BearerBackend

    backends = (import_string(path) for path in settings.AUTHENTICATION_BACKENDS)
    return next((backend() for backend in backends if issubclass(backend, BearerBackend)), None)


# ---- what is wrong, in the words of the setting ----


def _check_names(values: Mapping[str, Any]) -> None:
    if not isinstance(values, Mapping):
        raise ConfigurationError("BEZANT", f"is a dict of {', '.join(KEYS)}")
    for name in values:
        if name not in KEYS:
            raise ConfigurationError(f"BEZANT[{name!r}]", _unknown(name, KEYS))


def _unknown(name: object, known: Any) -> str:
    near = get_close_matches(str(name), known, 1) or get_close_matches(str(name).upper(), known, 1)
    return "there is no such setting; " + (
        f"did you mean {near[0]}?" if near else f"there is {', '.join(sorted(known))}"
    )


def _refuse(values: Mapping[str, Any], problem: str, *names: str) -> None:
    for name in names:
        if name in values:
            raise ConfigurationError(f"BEZANT[{name!r}]", problem)


@contextmanager
def _blaming(inner: str | None) -> Iterator[None]:
    """Name settings as they stand in ``BEZANT``, where core names its arguments."""
    try:
        yield
    except ConfigurationError as error:
        if error.setting.startswith("BEZANT"):
            raise
        key = error.setting.upper()
        if key in KEYS:
            name = f"BEZANT[{key!r}]"
        else:
            name = f"BEZANT[{inner!r}][{error.setting!r}]" if inner else error.setting
        raise ConfigurationError(name, error.problem) from error


def _names(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)

"""System checks: ``manage.py check``, and with ``--deploy`` what a project needs in production (RFC
9700).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse

from bezant import AuthorizationServer, ConfigurationError
from bezant.advice import advise
from django_bezant import conf

__all__ = ["check_deployment", "check_middleware", "check_routes", "check_setting"]

BEARER: Final = "django_bezant.middleware.BearerMiddleware"
AUTHENTICATION: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"
LOGIN_REQUIRED: Final = "django.contrib.auth.middleware.LoginRequiredMiddleware"
SESSION: Final = "rest_framework.authentication.SessionAuthentication"
TOKEN: Final = "django_bezant.drf.BearerAuthentication"

ADVICE: Final[Mapping[str, str]] = {
    "tls": "bezant.W011",
    "password-grant": "bezant.W012",
    "access-token-ttl": "bezant.W013",
    "max-access-token-ttl": "bezant.W014",
    "shared-key": "bezant.W016",
    "memory": "bezant.W017",
    "stale-revocations": "bezant.W018",
}
"""Ids of what core advises, to silence it by; see `bezant.advice`."""


def _site() -> conf.Site | None:
    try:
        return conf.site()
    except ConfigurationError:
        return None  # E001 has told


@register(Tags.security)
def check_setting(**_: Any) -> list[CheckMessage]:
    """``BEZANT`` is complete and free of contradictions (E001); its users can be found (E002)."""
    try:
        site = conf.site()
    except ConfigurationError as error:
        hint = f"BEZANT may hold {', '.join(conf.KEYS)}."
        return [Error(str(error), hint=hint, obj=error.setting, id="bezant.E001")]
    bearer = "django_bezant.backends.BearerBackend"
    if site.backend is None and bearer in settings.AUTHENTICATION_BACKENDS:
        return [
            Error(
                "BearerBackend finds users in a table that is not there.",
                hint="Add 'django.contrib.auth' to INSTALLED_APPS, or take the backend out: "
                "request.user is then what the token says.",
                id="bezant.E002",
            )
        ]
    return []


@register(Tags.security)
def check_middleware(**_: Any) -> list[CheckMessage]:
    """`BearerMiddleware` has its place (E003), sessions are there where they say who is signed in
    (E006), and REST framework has its challenge (W001).
    """
    found: list[CheckMessage] = []
    order = list(settings.MIDDLEWARE)
    for upper, lower, place in (
        (AUTHENTICATION, BEARER, "below AuthenticationMiddleware"),
        (BEARER, LOGIN_REQUIRED, "above LoginRequiredMiddleware"),
    ):
        if upper in order and lower in order and order.index(upper) > order.index(lower):
            found.append(
                Error(
                    f"BearerMiddleware must be {place} in MIDDLEWARE.",
                    hint="Otherwise users of tokens are taken for nobody.",
                    id="bezant.E003",
                )
            )
    if apps.is_installed("rest_framework"):
        classes = list(
            getattr(settings, "REST_FRAMEWORK", {}).get("DEFAULT_AUTHENTICATION_CLASSES", ())
        )
        if TOKEN in classes and SESSION in classes[: classes.index(TOKEN)]:
            found.append(
                checks.Warning(
                    "SessionAuthentication comes before BearerAuthentication.",
                    hint="List BearerAuthentication first: REST framework asks the first class how "
                    "to answer a request without credentials, and sessions answer 403 without a "
                    "challenge.",
                    id="bezant.W001",
                )
            )
    if _signs_in_by_session() and not any(
        name.endswith("SessionMiddleware") for name in settings.MIDDLEWARE
    ):
        found.append(
            Error(
                "BEZANT['INTERACTION'] asks sessions who is signed in, and there are none.",
                hint="Add 'django.contrib.sessions.middleware.SessionMiddleware' to MIDDLEWARE, or "
                "give INTERACTION a sign_in of your own.",
                id="bezant.E006",
            )
        )
    return found


def _signs_in_by_session() -> bool:
    site = _site()
    if site is None or site.server is None or site.server.logout_sender is None:
        return False
    from django_bezant.sign_in import signed_in

    return site.server.interactions.config.sign_in is signed_in


@register(Tags.urls)
def check_routes(**_: Any) -> list[CheckMessage]:
    """The endpoints are where the issuer's URL leads (E004, W002), and the metadata of the resource
    where its challenges say (E005).
    """
    site, found = _site(), list[CheckMessage]()
    if site is None or not getattr(settings, "ROOT_URLCONF", None):
        return found
    remedy = 'add path("", include("django_bezant.well_known")) to the root urlconf'
    if site.server is not None:
        found += _misplaced(site.server, remedy)
    found += [
        Error(
            f"BEZANT['RESOURCE'] promises a document at {document.path}, which no URL leads to.",
            hint=f"To serve it, {remedy}.",
            id="bezant.E005",
        )
        for document in site.guard.endpoints
        if document.well_known and not _serves(document.path, document.name)
    ]
    return found


def _misplaced(server: AuthorizationServer, remedy: str) -> Iterator[CheckMessage]:
    try:
        # What a web server takes off the path before Django sees it is not Django's to place.
        place = "/" + reverse("bezant:token").removeprefix(get_script_prefix())
    except NoReverseMatch:
        yield checks.Warning(
            "BEZANT['SERVER'] issues tokens, but its endpoints are not among the URLs.",
            hint='Add path("", include("django_bezant.urls")) to the root urlconf.',
            id="bezant.W002",
        )
        return
    origin = {e.path for e in server.origin_endpoints if _serves(e.path, e.name)}
    try:
        server.check_place(place, origin, remedy)
    except ConfigurationError as error:
        yield Error(str(error), hint=f"Change the prefix, or {remedy}.", id="bezant.E004")


def _serves(path: str, name: str) -> bool:
    try:
        return getattr(resolve(path).func, "endpoint", None) == name
    except Resolver404:
        return False


@register(Tags.security, deploy=True)
def check_deployment(**_: Any) -> list[CheckMessage]:
    """What is fine on a developer's machine, and nowhere else (W010 to W018)."""
    site = _site()
    if site is None:
        return []
    found: list[CheckMessage] = [
        checks.Warning(advice.problem, hint=advice.remedy, id=ADVICE[advice.name])
        for advice in advise(site.guard.verifier, site.server)
    ]
    if settings.DEBUG:
        found.append(
            checks.Warning(
                "DEBUG is on: error pages show what requests and settings hold.",
                hint="Set DEBUG = False.",
                id="bezant.W010",
            )
        )
    if _shares_secret():
        found.append(
            checks.Warning(
                "BEZANT['SECRET_KEY'] is Django's SECRET_KEY too.",
                hint="Give each its own: whoever learns one must not have both sessions and "
                "tokens.",
                id="bezant.W015",
            )
        )
    return found


def _shares_secret() -> bool:
    given = getattr(settings, "BEZANT", {}).get("SECRET_KEY")
    if not isinstance(given, str):
        return False
    own = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(key and key in given for key in own)

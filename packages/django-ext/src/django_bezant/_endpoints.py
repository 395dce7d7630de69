"""Core's endpoints as views and URL patterns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, re_path
from django.views.decorators.debug import sensitive_post_parameters

from bezant import ConfigurationError
from bezant.endpoints import Endpoint
from bezant.http import unreadable_body
from bezant.runtime import SYNC
from django_bezant import conf
from django_bezant._guard import drive
from django_bezant._http import RUNTIME, read, respond
from django_bezant._logouts import tell_clients

__all__ = ["all_endpoints", "origin_endpoints", "patterns"]


def all_endpoints(site: conf.Site) -> tuple[Endpoint, ...]:
    """What the project serves."""
    issuing = () if site.server is None else site.server.endpoints
    return (*issuing, *site.guard.endpoints)


def origin_endpoints(site: conf.Site) -> tuple[Endpoint, ...]:
    """The well-known documents alone, at their paths below the origin."""
    issuing = () if site.server is None else site.server.origin_endpoints
    return (*issuing, *(e for e in site.guard.endpoints if e.well_known))


def patterns(choose: Callable[[conf.Site], Iterable[Endpoint]]) -> list[URLPattern]:
    """URL patterns that take every method, so that core says which are allowed.

    Args:
        choose: The endpoints of a site.
    """
    try:
        site = conf.site()
    except ConfigurationError:
        # The system check says it better than an import that fails; whatever is asked, fails.
        return [re_path("", _misconfigured)]
    make = _plain if site.blocking else _awaited
    return [path(e.path.removeprefix("/"), make(e.name), name=e.name) for e in choose(site)]


def _around(request: HttpRequest) -> AbstractContextManager[object]:
    """Lets authentication backends see the request, where a password may come."""
    if conf.site().server is None:
        return nullcontext()
    from django_bezant.accounts import handling

    return handling(request)


def _plain(name: str) -> Any:
    # Under ASGI too: one hop into the request's thread, where the ORM may be used, is cheaper than
    # one for each call of a store.
    def view(request: HttpRequest) -> HttpResponse:
        endpoint = _endpoint(name)
        tell_clients(request)
        asked = read(request, endpoint.max_body)
        if asked is None:
            return respond(unreadable_body())
        with _around(request):
            answer = drive(request, endpoint.handler, asked)
        return respond(answer, head=request.method == "HEAD")

    return _marked(view, name)


def _awaited(name: str) -> Any:
    async def view(request: HttpRequest) -> HttpResponse:
        endpoint = _endpoint(name)
        issuing = conf.site().server
        if not hasattr(request, "scope") and issuing is not None:
            issuing.check(SYNC)  # names the store that WSGI cannot call
        tell_clients(request)
        asked = read(request, endpoint.max_body)
        if asked is None:
            return respond(unreadable_body())
        with _around(request):
            answer = await endpoint.handler(asked, RUNTIME)
        return respond(answer, head=request.method == "HEAD")

    return _marked(view, name)


def _marked(view: Any, name: str) -> Any:
    # Should middleware fail that has read the form, it is in no mail about that.
    view = sensitive_post_parameters()(view)
    view.endpoint = name
    view.csrf_exempt = True  # clients prove who they are in the request; no cookie is looked at
    view.login_required = False
    # What is recorded stays recorded, whatever the answer; stores end their own transactions.
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)
    return view


def _endpoint(name: str) -> Endpoint:
    for endpoint in all_endpoints(conf.site()):
        if endpoint.name == name:
            return endpoint
    raise Http404


def _misconfigured(request: HttpRequest) -> HttpResponse:
    conf.site()  # says what is wrong
    raise Http404

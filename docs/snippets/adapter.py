"""Bezant for any WSGI application."""

from collections.abc import Callable, Iterable
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeAlias

from bezant import AuthorizationServer, OAuthError, Principal, Requirement, Verifier, guard_for
from bezant.errors import MissingToken
from bezant.http import Request, Response
from bezant.runtime import SYNC, run_sync

Environ: TypeAlias = dict[str, Any]
Application: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Bezant:
    """Protects WSGI applications, and serves the endpoints of a server in front of one."""

    def __init__(self, source: AuthorizationServer | Verifier, **options: Any) -> None:
        self.guard = guard_for(source, SYNC, **options)
        issuing = source.endpoints if isinstance(source, AuthorizationServer) else ()
        self.endpoints = {e.path: e for e in (*issuing, *self.guard.endpoints)}
        self._found = f"bezant.{id(self)}"

    def install(self, app: Application) -> Application:
        """An application with the endpoints, whose refusals are answered."""
        self.guard.verifier.start()

        def serve(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            endpoint = self.endpoints.get(environ["PATH_INFO"])
            try:
                if endpoint is None:
                    return app(environ, start_response)
                answer = run_sync(endpoint.handler(read(environ, endpoint.max_body), SYNC))
            except OAuthError as error:
                answer = self.guard.refuse(error)
            return respond(answer, environ, start_response)

        return serve

    def principal(self, environ: Environ) -> Principal | None:
        """Whom a request comes from, verified once; None when it carries no credentials."""
        if self._found not in environ:
            given = environ.get("HTTP_AUTHORIZATION")
            values = () if given is None else (given,)
            environ[self._found] = run_sync(self.guard.authenticate_if_present(values, SYNC))
        who: Principal | None = environ[self._found]
        return who

    def require(self, *scopes: str, **more: Any) -> Callable[[Application], Application]:
        """Demand a good token, and more."""
        need = Requirement(*scopes, **more)

        def protect(app: Application) -> Application:
            @wraps(app)
            def protected(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
                who = self.principal(environ)
                if who is None:
                    raise MissingToken
                need.check(who, self.guard.verifier.clock())
                return app(environ, start_response)

            return protected

        return protect


def read(environ: Environ, limit: int) -> Request:
    """A request as core has it, with one byte more of the body than it looks at."""
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").lower(), value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name == "CONTENT_TYPE" and value)
    ]
    length = min(int(environ.get("CONTENT_LENGTH") or 0), limit + 1)
    return Request(
        environ["REQUEST_METHOD"],
        tuple(headers),
        environ["wsgi.input"].read(length),
        query=environ.get("QUERY_STRING", ""),
        address=environ.get("REMOTE_ADDR", ""),
        native=environ,
    )


def respond(
    answer: Response, environ: Environ, start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Core's answer, byte for byte."""
    headers = [*answer.headers, ("content-length", str(len(answer.body)))]
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

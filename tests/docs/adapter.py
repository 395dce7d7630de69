"""A harness for the adapter of docs/adapters.md; as a plugin, it gives the suite this framework:
``pytest -p tests.docs.adapter --framework=adapter tests/contract``.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.harness import HARNESSES, ROUTES, Blocking, Harness, Route, show
from tests.harness.wsgi import WSGIClient

if TYPE_CHECKING:
    from bezant import AuthorizationServer, Verifier
    from bezant.logout_receiver import LogoutReceiver

adapter = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "snippets" / "adapter.py"))
HARNESSES["adapter"] = Harness("bezant", {"def": Blocking})  # type: ignore[index]
sys.modules["tests.harness.adapter"] = sys.modules[__name__]


class App(WSGIClient):
    def __init__(
        self, source: AuthorizationServer | Verifier, receiver: LogoutReceiver | None = None
    ) -> None:
        self._source = source
        bezant = adapter["Bezant"](source, logout_receiver=receiver)
        apps = {path: protected(bezant, route) for path, route in ROUTES.items()}
        super().__init__(
            bezant.install(lambda environ, start: apps[environ["PATH_INFO"]](environ, start))
        )

    def close(self) -> None:
        self._source.close()


def protected(bezant: Any, route: Route) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = show(bezant.principal(environ))
        start_response("200 OK", [("content-type", "application/json")])
        return [body]

    return app if route.optional else bezant.require(*route.scopes, **route.options)(app)

"""The token inspector."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bezant_server.pages.site import Site

__all__ = ["InspectorPage"]


class InspectorPage:
    """`/inspect`: what a token says. A script reads it in the browser; its policy lets it send
    nothing anywhere, and the page has no form that could be sent.

    Args:
        site: The pages.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def routes(self) -> list[Route]:
        """Where it is."""
        return [Route("/inspect", self._site.page(self.show), methods=["GET"])]

    async def show(self, request: Request) -> Response:
        """The page."""
        return self._site.render(request, "inspect.html", scripts=True)

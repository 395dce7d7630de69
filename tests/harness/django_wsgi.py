"""Django under WSGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness.django import Project
from tests.harness.wsgi import WSGIClient

if TYPE_CHECKING:
    from bezant import AuthorizationServer, Verifier


class App(WSGIClient):
    def __init__(self, source: AuthorizationServer | Verifier) -> None:
        from django.core.handlers.wsgi import WSGIHandler

        self._project = Project(source)
        super().__init__(WSGIHandler())

    def close(self) -> None:
        self._project.close()

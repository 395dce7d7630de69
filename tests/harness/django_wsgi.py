"""Django under WSGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness.django import Project
from tests.harness.wsgi import WSGIClient

if TYPE_CHECKING:
    from bezant import AuthorizationServer, Verifier
    from bezant.logout_receiver import LogoutReceiver


class App(WSGIClient):
    def __init__(
        self, source: AuthorizationServer | Verifier, receiver: LogoutReceiver | None = None
    ) -> None:
        from django.core.handlers.wsgi import WSGIHandler

        self._project = Project(source, receiver)
        super().__init__(WSGIHandler())

    def close(self) -> None:
        self._project.close()

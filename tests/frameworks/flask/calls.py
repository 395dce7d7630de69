"""What tests send to an application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.world import PASSWORD

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.test import TestResponse

HERE = "https://api.example.com"
LOGIN = {"grant_type": "password", "client_id": "spa", "username": "alice", "password": PASSWORD}


def get(app: Flask, path: str, token: str | None = None, **options: Any) -> TestResponse:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return app.test_client().get(path, headers=headers, **options)


def sign_in(app: Flask, path: str = "/oauth/token") -> str:
    answer = app.test_client().post(path, data=LOGIN)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["access_token"])

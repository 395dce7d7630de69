"""Glewlwyd, a server in C, from Debian's package: its OpenID Connect plugin on SQLite in WAL mode.

It leaves SQLite's `synchronous` at its default, FULL. Set up through its own administration API.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bench.load import HOST, basic
from bench.peers import CLIENT, PASSWORD, SCOPE, SECRET, USERS, Missing, Peer, TokenServer
from bench.servers import free_port, serving

SCHEMA = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
MODULES = Path("/usr/lib/glewlwyd")

CONFIG = """\
port={port}
bind_address="{host}"
external_url="http://{host}:{port}/"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="ERROR"
cookie_secure=0
session_expiration=2419200
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="{modules}/user"
client_module_path="{modules}/client"
user_auth_scheme_module_path="{modules}/scheme"
plugin_module_path="{modules}/plugin"
use_secure_connection=false
secure_connection_key_file=""
secure_connection_pem_file=""
secure_connection_ca_file=""
hash_algorithm="SHA256"
database = {{ type="sqlite3"; path="{database}" }};
"""


def start(stack: contextlib.ExitStack, directory: Path, chains: int) -> TokenServer:
    program = shutil.which("glewlwyd")
    if not program or not SCHEMA.exists():
        raise Missing("the Debian package glewlwyd is not installed")
    port = free_port()
    database = directory / "glewlwyd.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA.read_text())
    config = directory / "glewlwyd.conf"
    config.write_text(CONFIG.format(port=port, host=HOST, modules=MODULES, database=database))
    stack.enter_context(
        serving([program, f"--config-file={config}"], port=port, directory=directory)
    )
    _set_up(port)
    return TokenServer(port, "/api/oidc/token", basic(CLIENT, SECRET))


def _set_up(port: int) -> None:
    """The plugin with an ES256 key and one-time refresh tokens; a scope, some users, a client."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=30)) as connection:
        cookie = _call(connection, "/api/auth/", {"username": "admin", "password": "password"}, "")
        plugin = {
            "iss": f"http://{HOST}:{port}/",
            "subject-type": "public",
            "jwt-type": "ecdsa",
            "jwt-key-size": "256",
            "key": private.decode(),
            "cert": public.decode(),
            "access-token-duration": 600,
            "refresh-token-duration": 1209600,
            "code-duration": 600,
            "refresh-token-rolling": True,
            "refresh-token-one-use": "always",
            "allow-non-oidc": True,
            "auth-type-code-enabled": True,
            "auth-type-token-enabled": False,
            "auth-type-password-enabled": True,
            "auth-type-client-enabled": True,
            "auth-type-refresh-enabled": True,
            "allowed-scope": ["openid", SCOPE],
        }
        oidc = {"module": "oidc", "name": "oidc", "display_name": "OIDC", "parameters": plugin}
        _call(connection, "/api/mod/plugin/", oidc, cookie)
        scope = {
            "name": SCOPE,
            "display_name": SCOPE,
            "password_required": True,
            "password_max_age": 0,
            "scheme": {},
        }
        _call(connection, "/api/scope/", scope, cookie)
        for user in USERS:
            _call(
                connection,
                "/api/user/",
                {"username": user, "password": PASSWORD, "scope": [SCOPE]},
                cookie,
            )
        client = {
            "client_id": CLIENT,
            "client_secret": SECRET,
            "confidential": True,
            "scope": [SCOPE],
            "authorization_type": ["password", "client_credentials", "refresh_token"],
            "token_endpoint_auth_method": ["client_secret_basic"],
        }
        _call(connection, "/api/client/", client, cookie)


def _call(
    connection: http.client.HTTPConnection, path: str, body: dict[str, Any], cookie: str
) -> str:
    headers = {"Content-Type": "application/json", "Cookie": cookie}
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    text = response.read().decode()
    if response.status != 200:
        raise Missing(f"its set-up failed: {path} answered {response.status}: {text[:200]}")
    return (response.getheader("Set-Cookie") or "").partition(";")[0]


PEER = Peer("Glewlwyd, SQLite FULL", "FULL", start)

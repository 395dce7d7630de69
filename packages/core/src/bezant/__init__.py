"""Standard token authentication for Python web applications: OAuth 2 and JWT, without a
framework.
"""

from bezant.clients import Client, ClientSecret
from bezant.config import ServerConfig
from bezant.errors import BezantError, ConfigurationError, OAuthError
from bezant.guard import ResourceGuard
from bezant.keys import Key, KeySet
from bezant.passwords import PasswordHasher
from bezant.principal import Principal, Requirement
from bezant.protection import guard_for
from bezant.resource_metadata import ResourceMetadata
from bezant.runtime import Runtime, run_sync
from bezant.secret_key import SecretKeyRing
from bezant.server import AuthorizationServer
from bezant.users import User
from bezant.verifier import TokenVerifier, Verifier

__all__ = [
    "AuthorizationServer",
    "BezantError",
    "Client",
    "ClientSecret",
    "ConfigurationError",
    "Key",
    "KeySet",
    "OAuthError",
    "PasswordHasher",
    "Principal",
    "Requirement",
    "ResourceGuard",
    "ResourceMetadata",
    "Runtime",
    "SecretKeyRing",
    "ServerConfig",
    "TokenVerifier",
    "User",
    "Verifier",
    "guard_for",
    "run_sync",
]

"""Standard token authentication for Python web applications: OAuth 2 and JWT, without a
framework.
"""

from bezant.clients import Client, ClientSecret
from bezant.config import ServerConfig
from bezant.errors import BezantError, ConfigurationError, OAuthError
from bezant.fetch import HTTPFetch
from bezant.guard import ResourceGuard
from bezant.introspection_verifier import IntrospectionVerifier
from bezant.keys import Key, KeySet
from bezant.passwords import PasswordHasher
from bezant.principal import Principal, Requirement
from bezant.protection import guard_for
from bezant.resource_metadata import ResourceMetadata
from bezant.runtime import Runtime, run_sync
from bezant.secret_key import SecretKeyRing
from bezant.server import AuthorizationServer
from bezant.trusted_issuers import TrustedIssuers
from bezant.users import User
from bezant.verification import Verifier
from bezant.verifier import TokenVerifier

__all__ = [
    "AuthorizationServer",
    "BezantError",
    "Client",
    "ClientSecret",
    "ConfigurationError",
    "HTTPFetch",
    "IntrospectionVerifier",
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
    "TrustedIssuers",
    "User",
    "Verifier",
    "guard_for",
    "run_sync",
]

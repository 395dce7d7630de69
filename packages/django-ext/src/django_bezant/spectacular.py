"""Tells drf-spectacular of `BearerAuthentication`: the scheme, and each operation's scopes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from django_bezant import conf
from django_bezant._openapi import security_scheme
from django_bezant.drf import BearerPermission

__all__ = ["BearerScheme"]


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Registered when Django starts, where drf-spectacular is installed."""

    target_class: str = "django_bezant.drf.BearerAuthentication"
    name: str = "Bezant"
    match_subclasses: bool = True

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """The security scheme."""
        return security_scheme(conf.site())

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[str]]:
        """The scopes of one operation; plain Bearer has none to name."""
        scopes: set[str] = set()
        if conf.site().server is not None:
            for permission in _parts(auto_schema.view.get_permissions()):
                if isinstance(permission, BearerPermission):
                    scopes |= permission.demands(auto_schema.method).scopes
        return {self.name: sorted(scopes)}


def _parts(permissions: Any) -> Iterator[Any]:
    """Permissions, and those that ``&`` has joined."""
    for permission in permissions:
        yield permission
        yield from _parts(
            getattr(permission, side) for side in ("op1", "op2") if hasattr(permission, side)
        )

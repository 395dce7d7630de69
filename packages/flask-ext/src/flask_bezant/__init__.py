"""Token authentication for Flask, on Bezant."""

from flask_bezant._bezant import Bezant
from flask_bezant._require import (
    Protection,
    current_principal,
    get_principal,
    optional,
    require,
)
from flask_bezant._signals import security_event

__all__ = [
    "Bezant",
    "Protection",
    "current_principal",
    "get_principal",
    "optional",
    "require",
    "security_event",
]

"""Frozen values as JSON documents and back, for what waits in a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["from_json"]


def from_json(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a value that `dataclasses.asdict` and JSON have made lists of."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}

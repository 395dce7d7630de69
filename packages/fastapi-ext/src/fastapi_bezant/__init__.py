"""Token authentication for FastAPI and Starlette, on Bezant."""

from fastapi_bezant._bezant import Bezant
from fastapi_bezant._http import RUNTIME, Refused
from fastapi_bezant._middleware import BearerMiddleware, BearerUser
from fastapi_bezant._router import lifespans

__all__ = ["RUNTIME", "BearerMiddleware", "BearerUser", "Bezant", "Refused", "lifespans"]

"""Token authentication for Django, on Bezant."""

from django_bezant._http import RUNTIME, BearerRequest

__all__ = ["RUNTIME", "BearerRequest"]

"""The well-known documents alone: ``path("", include("django_bezant.well_known"))``, in the root of
the outermost urlconf (RFC 8615), where `django_bezant.urls` has a prefix.
"""

from __future__ import annotations

from django.urls import URLPattern

from django_bezant._endpoints import origin_endpoints, patterns

__all__ = ["app_name", "urlpatterns"]

app_name: str = "bezant_well_known"
urlpatterns: list[URLPattern]


def __getattr__(name: str) -> list[URLPattern]:
    # Made for each urlconf that includes this, out of the setting as it is then.
    if name == "urlpatterns":
        return patterns(origin_endpoints)
    raise AttributeError(name)

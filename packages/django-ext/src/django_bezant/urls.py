"""All endpoints that the project has: ``path("", include("django_bezant.urls"))``.

Include it where the issuer's URL leads. A prefix moves the well-known documents too, away from
where clients look: then include `django_bezant.well_known` as well, without a prefix.
"""

from __future__ import annotations

from django.urls import URLPattern

from django_bezant._endpoints import all_endpoints, patterns

__all__ = ["app_name", "urlpatterns"]

app_name: str = "bezant"
urlpatterns: list[URLPattern]


def __getattr__(name: str) -> list[URLPattern]:
    # Made for each urlconf that includes this, out of the setting as it is then.
    if name == "urlpatterns":
        return patterns(all_endpoints)
    raise AttributeError(name)

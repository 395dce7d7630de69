"""The application."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _

__all__ = ["BezantConfig"]


class BezantConfig(AppConfig):
    """``INSTALLED_APPS = [..., "django_bezant"]``."""

    name: str = "django_bezant"
    verbose_name: Any = _("Tokens")

    def ready(self) -> None:
        """Register system checks and what describes tokens to drf-spectacular, and listen to logins
        and logouts.
        """
        from django_bezant import checks, conf  # noqa: F401 (each registers itself)

        if apps.is_installed("django.contrib.auth") and apps.is_installed(
            "django.contrib.sessions"
        ):
            from django_bezant import sign_in

            sign_in.connect()
        described = any(map(apps.is_installed, ("rest_framework", "drf_spectacular")))
        if described and find_spec("drf_spectacular") is not None:
            from django_bezant import spectacular  # noqa: F401

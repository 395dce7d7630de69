"""Who is signed in in a browser, as Django's sessions say.

A sign-in has a name of its own from `django.contrib.auth.login` on: it is what clients know as
``sid``, and when it ends they are told. Sessions that began before `django_bezant` was there have
none; their users sign in again.
"""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Any, Final

from django.contrib.auth import get_user
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.http import HttpRequest

from bezant.sign_in import SignIn
from django_bezant import conf
from django_bezant.single_sign_on import logouts

__all__ = ["signed_in"]

KEY: Final = "bezant.sign_in"
"""Where a session keeps the name of its sign-in, and when that was."""


def signed_in(request: HttpRequest) -> SignIn | None:
    """Who is signed in; None when nobody is, or not since `django_bezant` is there.

    The session says, and no token that the request may carry: what a client may do for somebody is
    less.

    Args:
        request: Behind ``SessionMiddleware``.
    """
    user, noted = get_user(request), request.session.get(KEY)
    if noted is None or not user.is_authenticated or str(user.pk) != noted["subject"]:
        return None
    return SignIn(noted["subject"], noted["at"], noted["sid"])


def _note(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """A sign-in begins, or somebody has proved once more who they are."""
    server, session = conf.site().server, getattr(request, "session", None)
    if session is None or server is None or server.logout_sender is None:
        return
    before = session.get(KEY)
    same = before is not None and before["subject"] == str(user.pk)
    if same:
        session.cycle_key()  # Django does so for those who were not signed in
    session[KEY] = {
        "subject": str(user.pk),
        # The same sign-in goes on when somebody proves once more who they are: what was given in
        # it still ends with it.
        "sid": before["sid"] if same else token_urlsafe(24),
        "at": server.clock(),
    }


def _end(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """A sign-in ends; if that cannot be recorded, the logout fails and can be tried again."""
    server, session = conf.site().server, getattr(request, "session", None)
    if session is None or server is None or server.logout_sender is None:
        return
    if (noted := session.get(KEY)) is not None:
        logouts.end(SignIn(noted["subject"], noted["at"], noted["sid"]))


def connect() -> None:
    """Listen to logins and logouts."""
    user_logged_in.connect(_note, dispatch_uid="django_bezant.sign_in")
    user_logged_out.connect(_end, dispatch_uid="django_bezant.sign_in")

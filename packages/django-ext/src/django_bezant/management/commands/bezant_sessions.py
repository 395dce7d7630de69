"""``manage.py bezant_sessions``: what users have given clients, one for each sign-in."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import CommandError

from bezant.descriptions import ago, describe_session
from bezant.errors import Refused
from django_bezant.accounts import subject_named, usernames
from django_bezant.management.answers import Options, VerbCommand, column

__all__ = ["Command"]


class Command(VerbCommand):
    help = "Sessions: one for each sign-in of a user at a client."

    def add_verbs(self) -> None:
        listing = self.verb("list", self.list)
        _add_whose(listing)
        listing.add_argument("--limit", type=int, default=1000, help="How many at most.")
        revoke = self.verb("revoke", self.revoke)
        revoke.add_argument("session", nargs="*", metavar="SESSION", help="Sessions to end.")
        _add_whose(revoke)

    def list(self, options: Options) -> None:
        """List sessions that are live, the newest first."""
        at, subject = self.at, _subject(options)
        found = at.sessions(
            subject=subject, client_id=options["client"], limit=max(1, options["limit"])
        )
        names, now = usernames(session.subject for session in found), at.server.clock()
        rows = [
            (
                session.id,
                names.get(session.subject, session.subject),
                session.client_id,
                ago(session.auth_time, now),
                ago(session.rotated_at, now),
                session.address,
            )
            for session in found
        ]
        columns = ("session", "user", "client", "signed in", "last used", "from")
        self.tell(
            options,
            [describe_session(session, names.get(session.subject)) for session in found],
            column(columns, rows, "There are no live sessions."),
        )

    def revoke(self, options: Options) -> None:
        """End sessions, by id or all of a user or a client: refresh tokens and access tokens."""
        at, sessions, client_id = self.at, options["session"], options["client"]
        subject = _subject(options)
        if sum([bool(sessions), subject is not None, client_id is not None]) != 1:
            raise CommandError("name sessions, or a user, or a --client", returncode=2)
        if subject is not None:
            ended = at.end_all_of(subject)
        elif client_id is not None:
            ended = at.end_all_of_client(client_id)
        else:
            ended = at.end_sessions(sessions)
        self.tell(options, {"sessions_ended": ended}, f"sessions ended: {ended}")
        if ended < len(sessions):
            missing = len(sessions) - ended
            raise Refused(f"{missing} of these sessions did not exist or had ended before")


def _add_whose(parser: ArgumentParser) -> None:
    parser.add_argument("--user", metavar="NAME", help="Those of the user with this name.")
    parser.add_argument(
        "--subject", help="Those of this subject, also of a user who is no longer there."
    )
    parser.add_argument("--client", metavar="CLIENT", help="Those of one client.")


def _subject(options: Options) -> str | None:
    """Whose sessions are meant."""
    subject: str | None = options["subject"]
    if options["user"] is None:
        return subject
    if subject is not None:
        raise CommandError("give either --user or --subject", returncode=2)
    found = subject_named(options["user"])
    if found is None:
        raise Refused(f"there is no user {options['user']!r}")
    return found

"""`bezant sessions`: what users have given clients, one for each sign-in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bezant_server.cli.common import opened
from bezant_server.cli.keys import IDS
from bezant_server.cli.options import AsJson
from bezant_server.cli.output import ago, moment, table, tell

if TYPE_CHECKING:
    from bezant.stores import Authorization

app = typer.Typer(
    help="Sessions: one for each sign-in of a user at a client.", no_args_is_help=True
)

OfUser = Annotated[str | None, typer.Option("--user", metavar="NAME", help="Those of one user.")]
OfClient = Annotated[
    str | None, typer.Option("--client", metavar="CLIENT", help="Those of one client.")
]


@app.command("list")
def list_(
    user: OfUser = None,
    client: OfClient = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 1000,
    json: AsJson = False,
) -> None:
    """List sessions that are live, the newest first."""
    now = time.time()
    with opened() as at:
        found = at.sessions(now, user=user, client=client, limit=limit)
        names = at.directory.usernames()
    columns = ("session", "user", "client", "signed in", "last used", "from")
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
    tell(
        json,
        [_document(session, names.get(session.subject)) for session in found],
        lambda _: table(columns, rows, "There are no live sessions.", whole="session"),
    )


@app.command(context_settings=IDS)
def revoke(
    session: Annotated[
        list[str] | None, typer.Argument(metavar="[SESSION]...", help="Sessions to end.")
    ] = None,
    user: OfUser = None,
    client: OfClient = None,
    json: AsJson = False,
) -> None:
    """End sessions, by id or all of a user or a client: refresh tokens and access tokens."""
    from bezant_server.errors import Refused

    given = [bool(session), user is not None, client is not None]
    if sum(given) != 1:
        raise typer.BadParameter("name sessions, or a --user, or a --client")
    with opened() as at:
        if user is not None:
            ended = at.end_all_of(at.directory.user(user).subject)
        elif client is not None:
            ended = at.end_all_of_client(at.client(client).client_id)
        else:
            ended = sum(at.end_session(one) for one in session or ())
    wanted = len(session or ())
    tell(json, {"sessions_ended": ended}, f"sessions ended: {ended}")
    if ended < wanted:
        raise Refused(f"{wanted - ended} of these sessions did not exist or had ended before")


def _end(session: Authorization) -> float:
    return min(session.expires_at, session.idle_expires_at)


def _document(session: Authorization, username: str | None) -> dict[str, Any]:
    return {
        "id": session.id,
        "subject": session.subject,
        "username": username,
        "client_id": session.client_id,
        "scopes": list(session.scopes),
        "audience": list(session.audience),
        "address": session.address,
        "generation": session.generation,
        "signed_in_at": moment(session.auth_time),
        "last_used_at": moment(session.rotated_at),
        "ends_at": moment(_end(session)),
    }

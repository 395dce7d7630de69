"""`bezant sessions`: what users have given clients, one for each sign-in."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from bezant_server.cli.common import opened
from bezant_server.cli.keys import IDS
from bezant_server.cli.options import AsJson
from bezant_server.cli.output import table, tell

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
    from bezant.descriptions import ago, describe_session

    now = time.time()
    with opened() as at:
        found = at.sessions_of(user=user, client=client, limit=limit)
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
        [describe_session(session, names.get(session.subject)) for session in found],
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
    from bezant.errors import Refused

    given = [bool(session), user is not None, client is not None]
    if sum(given) != 1:
        raise typer.BadParameter("name sessions, or a --user, or a --client")
    with opened() as at:
        if user is not None:
            ended = at.end_all_of(at.directory.user(user).subject)
        elif client is not None:
            ended = at.end_all_of_client(at.client(client).client_id)
        else:
            ended = at.end_sessions(session or ())
    wanted = len(session or ())
    tell(json, {"sessions_ended": ended}, f"sessions ended: {ended}")
    if ended < wanted:
        raise Refused(f"{wanted - ended} of these sessions did not exist or had ended before")

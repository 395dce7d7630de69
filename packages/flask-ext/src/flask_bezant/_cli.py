"""The commands ``flask bezant``: keys, clients and sessions of the application's server, and what
is in a token.

A token is read from standard input, a new secret is shown once. What fails is said in one line.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click
from flask.cli import AppGroup

from bezant import BezantError, Client, ClientSecret
from bezant.administration import Administration
from bezant.clients import AUTH_METHODS, SECRET_METHODS, new_secret
from bezant.descriptions import moment
from bezant.inspection import inspect
from bezant.runtime import SYNC, run_sync
from flask_bezant._state import state_of

# Ids are base64url and may begin with a dash: what is no option is then an argument.
IDS = {"ignore_unknown_options": True}


class Commands(AppGroup):
    """Tells what went wrong in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BezantError as error:
            raise click.ClickException(str(error)) from None


commands = Commands("bezant", help="Keys, clients, sessions and tokens.")


@commands.group()
def keys() -> None:
    """Signing keys: next, active, retiring, gone."""


@commands.group()
def clients() -> None:
    """Clients: applications that get tokens."""


@commands.group()
def sessions() -> None:
    """Sessions: one for each sign-in of a user at a client."""


@commands.group()
def token() -> None:
    """Tokens: what is in them, and whether they are good."""


@commands.command("logouts")
def tell_of_logouts() -> None:
    """Tell clients of logouts, all that are due. Processes that answer requests do it too."""
    notices = _administration().server.logouts.sender.drain()
    click.echo(f"notices sent or put off: {notices}")


# Keys


@keys.command("list")
def list_keys() -> None:
    """List all keys with their states."""
    found = _administration().keys()
    _table(
        ("kid", "algorithm", "state", "signs from"),
        [(k.kid, k.algorithm, k.state, moment(k.activates_at)) for k in found],
    )


@keys.command("rotate")
@click.option("--now", is_flag=True, help="Sign with it at once; APIs refuse its tokens at first.")
def rotate_keys(now: bool) -> None:
    """Add a key. It signs once everybody who caches the public keys has seen it."""
    key = _administration().rotate_keys(immediately=now)
    click.echo(f"key {key.kid} ({key.algorithm}) signs from {moment(key.activates_at)}")


@keys.command("retire", context_settings=IDS)
@click.argument("kid")
def retire_key(kid: str) -> None:
    """Withdraw a key at once: its tokens are refused. An active one is replaced first."""
    _administration().retire_key(kid)
    click.echo(f"key {kid} is withdrawn; its tokens are refused")


# Clients


@clients.command("list")
def list_clients() -> None:
    """List all clients."""
    _table(
        ("client", "active", "secret by", "grants", "scopes", "audience"),
        [
            (
                *(c.client_id, "yes" if c.active else "no", c.auth_method),
                *map(" ".join, (sorted(c.grants), c.scopes, c.audience)),
            )
            for c in _administration().clients()
        ],
    )


@clients.command("add")
@click.argument("client_id")
@click.option("--grant", multiple=True, help="A grant it may use; repeatable.")
@click.option("--scope", multiple=True, help="A scope it may get; repeatable.")
@click.option("--audience", multiple=True, help="An API that its tokens are for; repeatable.")
@click.option("--auth-method", type=click.Choice(AUTH_METHODS), default=AUTH_METHODS[0])
@click.option("--redirect-uri", multiple=True, help="Where people may be sent back to; repeatable.")
@click.option("--post-logout-uri", multiple=True, help="The same after a logout; repeatable.")
@click.option("--backchannel-logout-uri", help="Where it is told of logouts.")
@click.option("--jwks-uri", help="Where its keys are published, for private_key_jwt.")
@click.option("--first-party", is_flag=True, help="Ask nobody for consent.")
@click.option("--name", default="", help="What to call it before people.")
def add_client(
    client_id: str,
    grant: Sequence[str],
    scope: Sequence[str],
    audience: Sequence[str],
    auth_method: str,
    redirect_uri: tuple[str, ...],
    post_logout_uri: tuple[str, ...],
    backchannel_logout_uri: str | None,
    jwks_uri: str | None,
    first_party: bool,
    name: str,
) -> None:
    """Register a client. Its secret, if its method has one, is shown once."""
    secret = new_secret() if auth_method in SECRET_METHODS else None
    client = Client(
        client_id,
        grants=frozenset(grant),
        scopes=tuple(dict.fromkeys(scope)),
        audience=tuple(dict.fromkeys(audience)),
        auth_method=auth_method,
        secrets=() if secret is None else (ClientSecret.of(secret),),
        redirect_uris=redirect_uri,
        post_logout_redirect_uris=post_logout_uri,
        backchannel_logout_uri=backchannel_logout_uri,
        jwks_uri=jwks_uri,
        first_party=first_party,
        name=name,
    )
    _administration().add_client(client)
    click.echo(f"added client {client_id}")
    if secret is not None:
        click.echo(f"secret, shown this once: {secret}")


@clients.command("rotate-secret")
@click.argument("client_id")
@click.option(
    "--overlap",
    type=click.IntRange(min=0),
    default=86400,
    show_default=True,
    help="Seconds that the old secret stays good; 0 after a leak.",
)
def rotate_secret(client_id: str, overlap: int) -> None:
    """Give a client a new secret, shown once."""
    secret = new_secret()
    _administration().rotate_secret(client_id, secret, overlap=overlap)
    click.echo(f"{client_id} has a new secret; the old one ends in {overlap} seconds")
    click.echo(f"secret, shown this once: {secret}")


@clients.command("disable")
@click.argument("client_id")
def disable_client(client_id: str) -> None:
    """Refuse a client, and end all sessions and tokens that it got."""
    ended = _administration().disable_client(client_id)
    click.echo(f"{client_id} is disabled; sessions ended: {ended}")


# Sessions


@sessions.command("list")
@click.option("--subject", help="Those of one user.")
@click.option("--client", help="Those of one client.")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True)
def list_sessions(subject: str | None, client: str | None, limit: int) -> None:
    """List sessions that are live, the newest first."""
    found = _administration().sessions(subject=subject, client_id=client, limit=limit)
    _table(
        ("session", "subject", "client", "signed in", "from"),
        [(s.id, s.subject, s.client_id, moment(s.auth_time), s.address) for s in found],
    )


@sessions.command("revoke", context_settings=IDS)
@click.argument("session", nargs=-1)
@click.option("--subject", help="All of one user.")
@click.option("--client", help="All of one client.")
def revoke_sessions(session: Sequence[str], subject: str | None, client: str | None) -> None:
    """End sessions, by id or all of a user or a client: refresh tokens and access tokens."""
    if [bool(session), subject is not None, client is not None].count(True) != 1:
        raise click.UsageError("name sessions, or a --subject, or a --client")
    administration = _administration()
    if subject is not None:
        ended = administration.end_all_of(subject)
    elif client is not None:
        ended = administration.end_all_of_client(client)
    else:
        ended = administration.end_sessions(session)
    click.echo(f"sessions ended: {ended}")
    if ended < len(session):
        raise click.ClickException(f"{len(session) - ended} did not exist or had ended before")


# Tokens


@token.command("inspect")
def inspect_token() -> None:
    """Explain a token from standard input, and say whether this application takes it."""
    asked, state = sys.stdin.isatty(), state_of()
    text = str(click.prompt("Token", hide_input=True) if asked else sys.stdin.readline()).strip()
    verifier = state.guard.verifier
    found = run_sync(
        inspect(text, SYNC, now=verifier.clock(), server=state.server, verifier=verifier)
    )
    click.echo(found.kind)
    _table(("", "value", "meaning"), [(c.name, c.text, c.meaning) for c in found.claims])
    for line in (found.verdict, *found.notes):
        click.echo(line)
    if found.refused:
        raise click.exceptions.Exit(1)


# Parts


def _administration() -> Administration:
    server = state_of().server
    if server is None:
        raise click.ClickException("this application issues no tokens")
    return Administration(server)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    lines = [columns, *([cell or "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())

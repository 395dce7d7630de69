"""`bezant client`: applications that get tokens."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bezant_server.cli.common import opened
from bezant_server.cli.options import AsJson, read_json, read_secret
from bezant_server.cli.output import notice, table, tell

if TYPE_CHECKING:
    from bezant.clients import Client

app = typer.Typer(help="Clients: applications that get tokens.", no_args_is_help=True)


class GrantType(StrEnum):
    """How a client may get tokens."""

    PASSWORD = "password"
    REFRESH_TOKEN = "refresh_token"
    CLIENT_CREDENTIALS = "client_credentials"
    AUTHORIZATION_CODE = "authorization_code"


class AuthMethod(StrEnum):
    """How a client proves who it is."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    KEY = "private_key_jwt"


ClientId = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's id.")]
SecretStdin = Annotated[
    bool,
    typer.Option("--secret-stdin", help="Read the secret from standard input; else one is made."),
]


@app.command()
def add(
    client_id: ClientId,
    grant: Annotated[
        list[GrantType] | None,
        typer.Option(
            metavar="GRANT",
            help="authorization_code, refresh_token, client_credentials or password; repeatable.",
        ),
    ] = None,
    scope: Annotated[list[str] | None, typer.Option(help="A scope it may get; repeatable.")] = None,
    audience: Annotated[
        list[str] | None, typer.Option(help="An API that its tokens are for; repeatable.")
    ] = None,
    auth_method: Annotated[
        AuthMethod | None,
        typer.Option(
            metavar="METHOD",
            help="How it proves who it is: by a secret, client_secret_basic (default) or "
            "client_secret_post, or by a key of its own, private_key_jwt.",
        ),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="It cannot keep a secret: a browser or mobile app.")
    ] = False,
    secret_stdin: SecretStdin = False,
    name: Annotated[str, typer.Option(help="What to call it before people.")] = "",
    access_token_ttl: Annotated[
        int | None, typer.Option(help="Seconds that its access tokens live.")
    ] = None,
    refresh_retry_window: Annotated[
        int | None, typer.Option(help="Seconds in which a lost answer is given again, 0 to 60.")
    ] = None,
    introspect: Annotated[
        bool, typer.Option(help="Whether it may ask about tokens meant for its audience.")
    ] = True,
    redirect_uri: Annotated[
        list[str] | None,
        typer.Option(metavar="URI", help="Where people come back to, signed in; repeatable."),
    ] = None,
    post_logout_uri: Annotated[
        list[str] | None,
        typer.Option(metavar="URI", help="Where people may go after a logout; repeatable."),
    ] = None,
    backchannel_logout_uri: Annotated[
        str | None, typer.Option(metavar="URI", help="Where it is told of logouts.")
    ] = None,
    first_party: Annotated[
        bool, typer.Option("--first-party", help="It is yours: people are not asked for consent.")
    ] = False,
    jwks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="Its public keys for private_key_jwt, a JWK Set.",
        ),
    ] = None,
    jwks_uri: Annotated[
        str | None, typer.Option(metavar="URI", help="Where it publishes them instead.")
    ] = None,
    id_token_alg: Annotated[
        str,
        typer.Option(
            metavar="ALG",
            help="What its ID tokens are signed with: RS256 (default), ES256 or EdDSA.",
        ),
    ] = "RS256",
    userinfo_alg: Annotated[
        str | None,
        typer.Option(metavar="ALG", help="The same for UserInfo, which is plain JSON without it."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Register a client. A secret that is made here is shown once."""
    from bezant.clients import Client, ClientSecret, new_secret

    keyed = auth_method is AuthMethod.KEY
    if public and (secret_stdin or auth_method is not None):
        raise typer.BadParameter("a --public client has no secret to read or send")
    if keyed and secret_stdin:
        raise typer.BadParameter("a client with a key of its own has no secret to read")
    keys = None if jwks is None else read_json(jwks)
    with opened() as at:
        needs_none = public or keyed
        secret = None if needs_none else read_secret("secret") if secret_stdin else new_secret()
        client = Client(
            client_id,
            grants=frozenset(str(kind) for kind in grant or ()),
            scopes=tuple(dict.fromkeys(scope or ())),
            audience=tuple(dict.fromkeys(audience or ())),
            auth_method="none" if public else str(auth_method or AuthMethod.BASIC),
            secrets=() if secret is None else (ClientSecret.of(secret),),
            name=name,
            introspect=introspect,
            access_token_ttl=access_token_ttl,
            refresh_retry_window=refresh_retry_window,
            redirect_uris=tuple(dict.fromkeys(redirect_uri or ())),
            post_logout_redirect_uris=tuple(dict.fromkeys(post_logout_uri or ())),
            backchannel_logout_uri=backchannel_logout_uri,
            first_party=first_party,
            jwks=keys,
            jwks_uri=jwks_uri,
            id_token_signed_response_alg=id_token_alg,
            userinfo_signed_response_alg=userinfo_alg,
        )
        at.add_client(client)
    if GrantType.PASSWORD in client.grants:
        notice(
            "the password grant shows the user's password to the client; RFC 9700 section 2.4 "
            "advises against it for anything but first-party software that has to have it"
        )
    made = None if secret_stdin else secret
    _tell_secret(json, client, made, f"added client {client_id}")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List all clients."""
    from bezant.descriptions import describe_client

    with opened() as at:
        clients = at.clients()
    columns = ("client", "active", "authentication", "grants", "scopes", "audience")
    rows = [
        (
            c.client_id,
            c.active,
            c.auth_method,
            sorted(c.grants),
            c.scopes,
            c.audience,
        )
        for c in clients
    ]
    tell(
        json,
        [describe_client(client) for client in clients],
        lambda _: table(columns, rows, "There are no clients; `bezant client add` adds one."),
    )


@app.command()
def rotate_secret(
    client_id: ClientId,
    secret_stdin: SecretStdin = False,
    overlap: Annotated[
        int, typer.Option(min=0, help="Seconds that the old secret stays good; 0 after a leak.")
    ] = 86400,
    json: AsJson = False,
) -> None:
    """Give a client a new secret. The old one stays good for a while, so that nothing stops."""
    from bezant.clients import new_secret

    with opened() as at:
        secret = read_secret("secret") if secret_stdin else new_secret()
        client = at.rotate_secret(client_id, secret, overlap=overlap)
    old = f"the old one ends in {overlap} seconds" if overlap else "the old one is refused"
    made = None if secret_stdin else secret
    _tell_secret(json, client, made, f"{client_id} has a new secret; {old}")


@app.command()
def disable(client_id: ClientId, json: AsJson = False) -> None:
    """Refuse a client, and end all sessions and tokens that it got."""
    from bezant.descriptions import describe_client

    with opened() as at:
        ended = at.disable_client(client_id)
        client = at.client(client_id)
    document = {**describe_client(client), "sessions_ended": ended}
    tell(json, document, f"{client_id} is disabled; sessions ended: {ended}")


@app.command()
def enable(client_id: ClientId, json: AsJson = False) -> None:
    """Let a disabled client get tokens again."""
    from bezant.descriptions import describe_client

    with opened() as at:
        at.enable_client(client_id)
        client = at.client(client_id)
    tell(json, describe_client(client), f"{client_id} may get tokens")


def _tell_secret(json: bool, client: Client, secret: str | None, outcome: str) -> None:
    from bezant.descriptions import describe_client

    document = describe_client(client)
    if secret is not None:
        document["client_secret"] = secret
        outcome += f"\nsecret, shown this once: {secret}"
    tell(json, document, outcome)

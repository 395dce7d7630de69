"""`bezant keys`: what signs tokens."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from bezant_server.cli.common import opened
from bezant_server.cli.options import AsJson
from bezant_server.cli.output import table, tell

app = typer.Typer(help="Signing keys: next, active, retiring, gone.", no_args_is_help=True)

# Ids are base64url and may begin with a dash: what is no option is then an argument.
IDS = {"ignore_unknown_options": True}


class Algorithm(StrEnum):
    """What a key signs with."""

    ES256 = "ES256"
    EDDSA = "EdDSA"
    RS256 = "RS256"
    PS256 = "PS256"
    HS256 = "HS256"


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List all keys with their states."""
    from bezant.descriptions import ago, describe_key

    with opened() as at:
        infos = at.keys()
    now = time.time()
    columns = ("kid", "alg", "state", "signs")
    rows = [(k.kid, k.algorithm, k.state, ago(k.activates_at, now)) for k in infos]
    tell(
        json,
        [describe_key(info) for info in infos],
        lambda _: table(
            columns, rows, "There are no keys; `bezant serve` makes the first one.", whole="kid"
        ),
    )


@app.command()
def rotate(
    now: Annotated[
        bool,
        typer.Option(
            "--now",
            help="Sign with it at once; APIs refuse its tokens until they look for keys again.",
        ),
    ] = False,
    algorithm: Annotated[
        Algorithm | None, typer.Option(help="Another algorithm than BEZANT_ALGORITHM.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Add a key. It signs once everybody who caches the public keys has seen it."""
    from bezant.descriptions import describe_key, moment

    with opened() as at:
        info = at.rotate_keys(
            immediately=now, algorithm=None if algorithm is None else str(algorithm)
        )
    tell(
        json,
        describe_key(info),
        f"key {info.kid} ({info.algorithm}) signs from {moment(info.activates_at)}",
    )


@app.command(context_settings=IDS)
def retire(
    kid: Annotated[str, typer.Argument(metavar="KID", help="The key; see `bezant keys list`.")],
    json: AsJson = False,
) -> None:
    """Withdraw a key at once: its tokens are refused. An active one is replaced first."""
    with opened() as at:
        at.retire_key(kid)
    tell(json, {"kid": kid, "state": "gone"}, f"key {kid} is withdrawn; its tokens are refused")

"""`bezant provider`: other places to sign in at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bezant_server.cli.options import AsJson
from bezant_server.cli.output import table, tell

if TYPE_CHECKING:
    from bezant_server.federation.providers import Provider

app = typer.Typer(
    help="Providers: other places to sign in at, from the settings.", no_args_is_help=True
)


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List all providers, with the redirect URI to register at each."""
    providers = _providers()
    columns = ("name", "issuer", "redirect URI")
    rows = [(one.name, one.settings.issuer, one.party.redirect_uri) for one in providers]
    tell(
        json,
        [_document(one) for one in providers],
        lambda _: table(
            columns,
            rows,
            "There are no providers; a table [providers.NAME] in bezant.toml makes one.",
            whole="redirect URI",
        ),
    )


@app.command()
def check(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A provider; all of them by default.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Ask providers for their metadata and keys. Whether they know this server's client, only a
    sign-in shows.
    """
    from bezant.errors import Refused

    chosen = [one for one in _providers() if name in {None, one.name}]
    if name is not None and not chosen:
        raise Refused(f"there is no provider {name!r}; `bezant provider list` shows them")
    found = [{**_document(one), **_asked(one)} for one in chosen]
    tell(
        json,
        found,
        lambda _: table(
            ("name", "usable", "what it said"),
            [(one["name"], one["usable"], _said(one)) for one in found],
            "There are no providers.",
        ),
    )
    if not all(one["usable"] for one in found):
        raise typer.Exit(1)


def _providers() -> list[Provider]:
    import time

    from bezant.codes import Codes
    from bezant.fetch import HTTPFetch
    from bezant.stores.memory import MemoryCodeStore
    from bezant_server.federation.providers import MAX_ANSWER, open_providers
    from bezant_server.settings import load_settings

    settings = load_settings()
    providers = open_providers(
        settings.providers,
        issuer=settings.public_url(),
        codes=Codes(MemoryCodeStore()),  # no sign-in begins here
        fetch=HTTPFetch(max_size=MAX_ANSWER),
        leeway=settings.leeway,
        clock=time.time,
    )
    return list(providers.values())


def _document(provider: Provider) -> dict[str, Any]:
    settings = provider.settings
    return {
        "name": provider.name,
        "label": provider.label,
        "issuer": settings.issuer,
        "client_id": settings.client_id,
        "auth_method": provider.party.provider.method,
        "openid": settings.openid,
        "scopes": list(settings.asked_scopes()),
        "create_accounts": settings.create_accounts,
        "link_by_verified_email": settings.link_by_verified_email,
        "redirect_uri": provider.party.redirect_uri,
    }


def _asked(provider: Provider) -> dict[str, Any]:
    from bezant.runtime import SYNC, run_sync
    from bezant.upstream import ProviderUnavailable

    try:
        endpoints = run_sync(provider.party.check(SYNC))
    except ProviderUnavailable as error:
        return {"usable": False, "problem": error.detail, "endpoints": {}}
    return {"usable": True, "problem": None, "endpoints": endpoints}


def _said(found: dict[str, Any]) -> list[str]:
    if found["problem"] is not None:
        return [found["problem"]]
    return [f"{name}: {url}" for name, url in found["endpoints"].items()]

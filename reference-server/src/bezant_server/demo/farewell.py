"""The end of the story: where everything is, who is there, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from bezant_server.demo.data import (
    ALICE,
    APPLICATIONS,
    BOB,
    CAROL,
    DOCS_CLIENT,
    KIOSK,
    ROBOT,
    WEB,
)
from bezant_server.demo.story import BOUND, Place

__all__ = ["curl_lines", "farewell"]


def farewell(console: Console, place: Place, *, good: bool, staying: bool) -> None:
    """Sum up.

    Args:
        console: Where.
        place: Where the servers are.
        good: Whether every step ended as it should.
        staying: Whether the servers stay.
    """
    console.print()
    console.print(Rule(style="dim"))
    if not good:
        console.print("At least one step FAILED.", style="bold red")
        return
    console.print("Every step ended as it should.", style="bold green")
    if not staying:
        return
    console.print()
    first, second = place.applications
    console.print(
        f"Open these in a browser, sign in to {first} as {ALICE.name}, then to {second}: it asks "
        "for no password. Sign out of one, and the other knows within seconds.\n"
    )
    console.print(_table(("application", "where"), [*place.applications.items()]))
    console.print()
    console.print(_table(("what", "where"), _urls(place)))
    console.print()
    console.print(_table(("who", "password or secret", "about"), _people()))
    console.print()
    console.print("To try it by hand:\n", style="bold")
    for command in curl_lines(place):
        console.print(command, markup=False, soft_wrap=True)
        console.print()
    console.print("Ctrl-C ends the demo and throws all of it away.", style="bold")


def curl_lines(place: Place) -> list[str]:
    """Commands for a shell, in this order."""
    pick = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])'"
    return [
        (
            f"curl -s -u {WEB.name}:{WEB.password} {place.issuer}/oauth/token \\\n"
            f"  -d grant_type=password -d username={ALICE.name} -d password={ALICE.password}"
        ),
        (
            f"TOKEN=$(curl -s -u {WEB.name}:{WEB.password} {place.issuer}/oauth/token \\\n"
            f"  -d grant_type=password -d username={ALICE.name} -d password={ALICE.password} \\\n"
            f"  | {pick})"
        ),
        f'curl -s -H "Authorization: Bearer $TOKEN" {place.api}/me',
        f'curl -s -X DELETE -H "Authorization: Bearer $TOKEN" {place.api}/items/2',
        f"curl -s -u {WEB.name}:{WEB.password} {place.issuer}/oauth/revoke -d token=$TOKEN",
        f'sleep {BOUND:.0f}; curl -s -i -H "Authorization: Bearer $TOKEN" {place.api}/items',
        (
            f"curl -s -u {ROBOT.name}:{ROBOT.password} {place.issuer}/oauth/token \\\n"
            "  -d grant_type=client_credentials"
        ),
    ]


def _urls(place: Place) -> list[tuple[str, ...]]:
    urls: list[tuple[str, ...]] = [
        ("server", place.issuer),
        ("its metadata", f"{place.issuer}/.well-known/oauth-authorization-server"),
        ("its keys", f"{place.issuer}/oauth/jwks.json"),
        ("its counters", f"{place.issuer}/metrics"),
        *((f"API in {name}", f"{url}/items") for name, url in place.apis.items()),
    ]
    if has_docs():
        urls.append(("API docs", f"{place.api}/docs"))
    return urls


def has_docs() -> bool:
    """Whether Swagger UI's files are on this machine (`pip install 'fastapi-bezant[docs]'`)."""
    return find_spec("fastapi_offline") is not None


def _people() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (f"{user.name} ({', '.join(user.roles)})", user.password, user.about)
        for user in (ALICE, BOB)
    ]
    rows += [(f"client {c.name}", c.password, c.about) for c in (WEB, ROBOT)]
    rows += [(f"client {a.client_id}", a.secret, a.about) for a in APPLICATIONS]
    rows.append((CAROL.name, CAROL.password, CAROL.about))
    rows.append((f"client {KIOSK}", "none: it is public", "of the Flask API's issuer"))
    if has_docs():
        rows.append((f"client {DOCS_CLIENT}", "none: it is public", "for the API docs"))
    return rows


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table

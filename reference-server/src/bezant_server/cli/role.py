"""`bezant role`: what users may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bezant_server.cli.common import opened
from bezant_server.cli.options import AsJson
from bezant_server.cli.output import table, tell

if TYPE_CHECKING:
    from bezant_server.accounts import Role

app = typer.Typer(help="Roles: permissions that users get together.", no_args_is_help=True)

RoleName = Annotated[str, typer.Argument(metavar="NAME", help="The role.")]
Permissions = Annotated[
    list[str] | None,
    typer.Option("--permission", help="A permission such as items.delete; repeatable."),
]


@app.command()
def add(name: RoleName, permission: Permissions = None, json: AsJson = False) -> None:
    """Add a role, or add permissions to one that is there; none are taken away.

    Tokens have new permissions from their next refresh on.
    """
    with opened() as at:
        role, new = at.directory.add_role(name, permission or ())
    allows = f"allows {', '.join(role.permissions)}" if role.permissions else "allows nothing"
    start = "added role" if new else "role"
    tell(json, {**_document(role), "added": new}, f"{start} {role.name}, which {allows}")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List all roles."""
    with opened() as at:
        roles = at.directory.roles()
    rows = [(role.name, role.permissions, role.users) for role in roles]
    tell(
        json,
        [_document(role) for role in roles],
        lambda _: table(
            ("role", "permissions", "users"),
            rows,
            "There are no roles; `bezant role add NAME` adds one.",
        ),
    )


@app.command()
def remove(name: RoleName, permission: Permissions = None, json: AsJson = False) -> None:
    """Take permissions from a role, or remove a role that nobody has.

    Tokens lose the permissions at their next refresh, at the end of their life at the latest.
    """
    with opened() as at:
        role = at.directory.remove_role(name, permission or ())
    if role is None:
        tell(json, {"name": name, "removed": True}, f"removed role {name}")
    else:
        left = ", ".join(role.permissions) or "nothing"
        tell(json, {**_document(role), "removed": False}, f"role {name} now allows {left}")


def _document(role: Role) -> dict[str, Any]:
    return {"name": role.name, "permissions": list(role.permissions), "users": role.users}

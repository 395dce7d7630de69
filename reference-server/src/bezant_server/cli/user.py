"""`bezant user`: accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bezant_server.cli.common import opened
from bezant_server.cli.options import AsJson, ask_secret, read_secret
from bezant_server.cli.output import table, tell

if TYPE_CHECKING:
    from bezant_server.accounts import Account
    from bezant_server.administration import Administration

app = typer.Typer(help="Users: who may sign in, and with which roles.", no_args_is_help=True)

Username = Annotated[str, typer.Argument(metavar="NAME", help="The name to sign in with.")]
RoleName = Annotated[str, typer.Argument(metavar="ROLE", help="A role; see `bezant role list`.")]
FullName = Annotated[
    str | None, typer.Option("--name", metavar="TEXT", help="What people call the user.")
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@app.command()
def add(
    name: Username,
    email: Annotated[
        str | None, typer.Option(help="An e-mail address; no two users share one.")
    ] = None,
    full_name: FullName = None,
    email_verified: Annotated[
        bool, typer.Option("--email-verified", help="The address is known to be the user's.")
    ] = False,
    role: Annotated[
        list[str] | None, typer.Option(help="A role to have from the start; repeatable.")
    ] = None,
    password_stdin: PasswordStdin = False,
    json: AsJson = False,
) -> None:
    """Add a user. The password comes from a prompt or from standard input."""
    with opened() as at:
        hashed = at.new_password_hash(_password(password_stdin))
        account = at.directory.add_user(
            name,
            password_hash=hashed,
            email=email,
            email_verified=email_verified,
            name=full_name or "",
            roles=role or (),
        )
    tell(json, _document(account), f"added user {account.username}, subject {account.subject}")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List all users."""
    with opened() as at:
        accounts = at.directory.users()
    columns = ("name", "e-mail", "active", "roles", "subject")
    rows = [(a.username, a.email, a.active, a.roles, a.subject) for a in accounts]
    tell(
        json,
        [_document(account) for account in accounts],
        lambda _: table(
            columns, rows, "There are no users; `bezant user add NAME` adds one.", whole="subject"
        ),
    )


@app.command()
def change(
    name: Username,
    full_name: FullName = None,
    email: Annotated[
        str | None, typer.Option(help="Another e-mail address, unverified unless it is said.")
    ] = None,
    email_verified: Annotated[
        bool | None,
        typer.Option(
            "--email-verified/--email-unverified",
            help="Whether the address is known to be the user's.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Change what is known of a user."""
    with opened() as at:
        subject = at.directory.user(name).subject
        at.directory.set_profile(
            subject, name=full_name, email=email, email_verified=email_verified
        )
        account = at.directory.user(name)
    tell(json, _document(account), f"{account.username} is changed")


@app.command()
def set_password(
    name: Username, password_stdin: PasswordStdin = False, json: AsJson = False
) -> None:
    """Replace a password, and end all of the user's sessions and tokens."""
    from bezant_server.events import PasswordChanged

    with opened() as at:
        account = at.directory.user(name)
        hashed = at.new_password_hash(_password(password_stdin))
        at.directory.set_password_hash(account.subject, hashed)
        at.emit(PasswordChanged(at=at.clock(), subject=account.subject))
        _tell_ended(json, at, account, "has a new password")


@app.command()
def disable(name: Username, json: AsJson = False) -> None:
    """Let a user sign in no more, and end all of the user's sessions and tokens."""
    with opened() as at:
        account = at.directory.user(name)
        at.directory.set_active(account.subject, False)
        _tell_ended(json, at, account, "is disabled")


@app.command()
def enable(name: Username, json: AsJson = False) -> None:
    """Let a disabled user sign in again."""
    with opened() as at:
        account = at.directory.user(name)
        at.directory.set_active(account.subject, True)
        account = at.directory.user(name)
    tell(json, _document(account), f"{account.username} may sign in")


@app.command()
def grant_role(name: Username, role: RoleName, json: AsJson = False) -> None:
    """Give a user a role. Tokens have its permissions from their next refresh on."""
    with opened() as at:
        granted = at.directory.grant_role(at.directory.user(name).subject, role)
        account = at.directory.user(name)
    outcome = "has the role" if granted else "had the role already:"
    tell(json, _document(account), f"{account.username} {outcome} {role}")


@app.command()
def revoke_role(name: Username, role: RoleName, json: AsJson = False) -> None:
    """Take a role from a user, and refuse the access tokens that still carry it."""
    with opened() as at:
        account = at.directory.user(name)
        if revoked := at.directory.revoke_role(account.subject, role):
            at.end_access_tokens_of(account.subject)
        account = at.directory.user(name)
    outcome = "no longer has the role" if revoked else "did not have the role"
    tell(json, _document(account), f"{account.username} {outcome} {role}")


def _password(from_stdin: bool) -> str:
    return read_secret("password") if from_stdin else ask_secret("password", "--password-stdin")


def _tell_ended(json: bool, at: Administration, account: Account, outcome: str) -> None:
    ended = at.end_all_of(account.subject)
    account = at.directory.user(account.username)
    document = {**_document(account), "sessions_ended": ended}
    tell(json, document, f"{account.username} {outcome}; sessions ended: {ended}")


def _document(account: Account) -> dict[str, Any]:
    from bezant.descriptions import moment

    return {
        "subject": account.subject,
        "username": account.username,
        "name": account.name,
        "email": account.email,
        "email_verified": account.email_verified,
        "active": account.active,
        "roles": list(account.roles),
        "created_at": moment(account.created_at),
    }

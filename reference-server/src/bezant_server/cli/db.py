"""`bezant db`: the database's tables."""

from __future__ import annotations

import typer

from bezant_server.cli.options import AsJson
from bezant_server.cli.output import tell

app = typer.Typer(help="The database's tables.", no_args_is_help=True)


@app.command()
def upgrade(json: AsJson = False) -> None:
    """Bring the tables up to date, all or nothing. `bezant serve` does it, too."""
    from bezant_server.database import described
    from bezant_server.migrations import HEAD
    from bezant_server.schema import migrate
    from bezant_server.settings import load_settings

    settings = load_settings()
    changed = migrate(settings)
    outcome = "brought" if changed else "was"
    tell(
        json,
        {"revision": HEAD, "changed": changed},
        f"{described(settings)} {outcome if not changed else 'is now'} at revision {HEAD}",
    )


@app.command()
def check(json: AsJson = False) -> None:
    """Compare the tables with what this version expects; the exit code says whether they agree."""
    from bezant_server.database import described, open_database, sqlite_file
    from bezant_server.migrations import HEAD
    from bezant_server.schema import Schema, differences, read_schema
    from bezant_server.settings import load_settings

    settings = load_settings()
    file = sqlite_file(settings)
    schema, found = Schema.EMPTY, list[str]()
    if file is None or file.exists():
        database = open_database(settings)
        try:
            schema = database.run(read_schema)
            if schema is Schema.CURRENT:
                found = database.run(differences)
        finally:
            database.close()
    good = schema is Schema.CURRENT and not found
    text = f"{described(settings)} {schema.value}"
    if schema in {Schema.EMPTY, Schema.BEHIND}:
        text += "; run `bezant db upgrade`"
    for difference in found:
        text += f"\ndiffers: {difference}"
    document = {"ok": good, "state": schema.name.lower(), "expected": HEAD, "differences": found}
    tell(json, document, text)
    if not good:
        raise typer.Exit(1)

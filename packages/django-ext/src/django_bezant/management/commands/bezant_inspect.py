"""``manage.py bezant_inspect``: what is in a token, and whether it is good."""

from __future__ import annotations

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bezant.inspection import Inspection, inspect
from bezant.runtime import SYNC, run_sync
from django_bezant import conf
from django_bezant.management.answers import add_json, column, explained, read_secret

__all__ = ["Command"]


class Command(BaseCommand):
    help = (
        "Explain a token from standard input or a prompt, and say whether it would be refused. "
        "The exit code says it, too."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--audience", help="Say whether this API would take the token.")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        token = read_secret("token").strip()
        with explained():
            found = _look(token, options["audience"])
        if options["json"]:
            self.stdout.write(json.dumps(found.document(), indent=2, ensure_ascii=False))
        else:
            rows = [(line.name, line.text, line.meaning) for line in found.claims]
            table = column(("", "value", "meaning"), rows, "Nothing in it can be read.")
            notes = [f"- {note}" for note in found.notes]
            self.stdout.write("\n".join([found.kind, table, found.verdict, *notes]))
        if found.refused:
            raise CommandError("the token would be refused")


def _look(token: str, audience: str | None) -> Inspection:
    site = conf.site()
    # A project that issues tokens knows all of its own; another one takes what is meant for it.
    verifier = None if site.server is not None else site.guard.verifier
    return run_sync(
        inspect(
            token,
            SYNC,
            now=time.time(),
            server=site.server,
            verifier=verifier,
            audience=audience,
            unchecked="this project does not issue tokens",
        )
    )

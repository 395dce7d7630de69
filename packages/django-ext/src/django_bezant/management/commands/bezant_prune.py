"""``manage.py bezant_prune``: forget what has ended. For a timer, every few minutes or hours."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from bezant.administration import Administration
from django_bezant import conf
from django_bezant.management.answers import add_json, explained

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Forget what has ended: sessions, revocations, login attempts, keys. Run it on a timer."

    def add_arguments(self, parser: CommandParser) -> None:
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with explained():
            forgotten = Administration(conf.server()).purge()
        if options["json"]:
            self.stdout.write(f'{{"forgotten": {forgotten}}}')
        elif options["verbosity"]:
            self.stdout.write(f"rows forgotten: {forgotten}")

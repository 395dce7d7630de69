"""``manage.py bezant_logouts``: tell clients of logouts, all that are due. For a timer, where no
process of the project answers requests for long enough to do it by itself.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from django_bezant import conf
from django_bezant.management.answers import add_json, explained

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Tell clients of logouts, all that are due. Processes that answer requests do it too."

    def add_arguments(self, parser: CommandParser) -> None:
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with explained():
            notices = conf.server().logouts.sender.drain()
        if options["json"]:
            self.stdout.write(f'{{"notices": {notices}}}')
        elif options["verbosity"]:
            self.stdout.write(f"notices sent or put off: {notices}")

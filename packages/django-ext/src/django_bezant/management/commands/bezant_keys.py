"""``manage.py bezant_keys``: what signs tokens."""

from __future__ import annotations

from bezant.config import ALGORITHMS
from bezant.descriptions import ago, describe_key, moment
from django_bezant.management.answers import Options, VerbCommand, column

__all__ = ["Command"]


class Command(VerbCommand):
    help = "Signing keys: next, active, retiring, gone."

    def add_verbs(self) -> None:
        self.verb("list", self.list)
        rotate = self.verb("rotate", self.rotate)
        rotate.add_argument(
            "--now",
            action="store_true",
            help="Sign with it at once; APIs refuse its tokens until they look for keys again.",
        )
        rotate.add_argument("--algorithm", choices=ALGORITHMS, help="Another than configured.")
        self.verb("retire", self.retire).add_argument("kid", metavar="KID", help="The key.")

    def list(self, options: Options) -> None:
        """List all keys with their states."""
        at = self.at
        keys, now = at.keys(), at.server.clock()
        rows = [(k.kid, k.algorithm, k.state, ago(k.activates_at, now)) for k in keys]
        empty = "There are no keys; the first request makes one."
        self.tell(
            options,
            [describe_key(key) for key in keys],
            column(("kid", "alg", "state", "signs"), rows, empty),
        )

    def rotate(self, options: Options) -> None:
        """Add a key. It signs once everybody who caches the public keys has seen it."""
        key = self.at.rotate_keys(immediately=options["now"], algorithm=options["algorithm"])
        text = f"key {key.kid} ({key.algorithm}) signs from {moment(key.activates_at)}"
        self.tell(options, describe_key(key), text)

    def retire(self, options: Options) -> None:
        """Withdraw a key at once: its tokens are refused. An active one is replaced first."""
        kid = options["kid"]
        self.at.retire_key(kid)
        text = f"key {kid} is withdrawn; its tokens are refused"
        self.tell(options, {"kid": kid, "state": "gone"}, text)

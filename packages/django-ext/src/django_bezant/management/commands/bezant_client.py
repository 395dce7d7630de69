"""``manage.py bezant_client``: applications that get tokens."""

from __future__ import annotations

from bezant.advice import PASSWORD_GRANT
from bezant.clients import (
    AUTH_METHODS,
    ID_TOKEN_ALGORITHMS,
    SECRET_METHODS,
    Client,
    ClientSecret,
    new_secret,
)
from bezant.descriptions import describe_client
from django_bezant.management.answers import (
    Options,
    VerbCommand,
    column,
    json_file,
    read_secret,
)

__all__ = ["Command"]

STDIN = "Read the secret from standard input; else one is made and shown once."


class Command(VerbCommand):
    help = "Clients: applications that get tokens."

    def add_verbs(self) -> None:
        add = self.verb("add", self.add)
        add.add_argument("client", metavar="CLIENT", help="The client's id.")
        for name, metavar, text in (
            ("grant", "GRANT", "authorization_code, refresh_token, password ...; repeatable."),
            ("scope", "SCOPE", "A scope it may get; repeatable."),
            ("audience", "API", "An API that its tokens are for; repeatable."),
            ("redirect-uri", "URI", "Where people come back to, signed in; repeatable."),
            ("post-logout-uri", "URI", "Where people may go after a logout; repeatable."),
        ):
            add.add_argument(f"--{name}", action="append", default=[], metavar=metavar, help=text)
        add.add_argument(
            "--auth-method",
            choices=AUTH_METHODS,
            default=AUTH_METHODS[0],
            help="How it proves who it is; none for a browser or mobile app. Default: %(default)s.",
        )
        add.add_argument(
            "--backchannel-logout-uri", metavar="URI", help="Where it is told of logouts."
        )
        add.add_argument(
            "--first-party",
            action="store_true",
            help="It is yours: people are not asked for consent.",
        )
        add.add_argument(
            "--jwks",
            type=json_file,
            metavar="FILE",
            help="Its public keys for private_key_jwt, a JWK Set.",
        )
        add.add_argument("--jwks-uri", metavar="URI", help="Where it publishes them instead.")
        add.add_argument(
            "--id-token-alg",
            choices=ID_TOKEN_ALGORITHMS,
            default=ID_TOKEN_ALGORITHMS[0],
            help="What its ID tokens are signed with. Default: %(default)s.",
        )
        add.add_argument(
            "--userinfo-alg",
            choices=ID_TOKEN_ALGORITHMS,
            help="The same for UserInfo, which is plain JSON without it.",
        )
        add.add_argument("--secret-stdin", action="store_true", help=STDIN)
        add.add_argument("--name", default="", help="What to call it before people.")
        add.add_argument("--access-token-ttl", type=int, metavar="SECONDS", help="Of its tokens.")
        add.add_argument(
            "--refresh-retry-window",
            type=int,
            metavar="SECONDS",
            help="0 to 60, in which a lost answer is given again.",
        )
        add.add_argument(
            "--no-introspect",
            dest="introspect",
            action="store_false",
            help="It may not ask about tokens meant for its audience.",
        )
        self.verb("list", self.list)
        rotate = self.verb("rotate-secret", self.rotate_secret)
        rotate.add_argument("client", metavar="CLIENT", help="The client's id.")
        rotate.add_argument("--secret-stdin", action="store_true", help=STDIN)
        rotate.add_argument(
            "--overlap",
            type=int,
            default=86400,
            metavar="SECONDS",
            help="How long the old secret stays good; 0 after a leak. Default: %(default)s.",
        )
        for name, handler in (("disable", self.disable), ("enable", self.enable)):
            self.verb(name, handler).add_argument("client", metavar="CLIENT")

    def add(self, options: Options) -> None:
        """Register a client. A secret that is made here is shown once."""
        at, by_secret = self.at, options["auth_method"] in SECRET_METHODS
        given = read_secret("secret") if options["secret_stdin"] and by_secret else None
        made = new_secret() if given is None and by_secret else None
        secret = given or made
        client = Client(
            options["client"],
            grants=frozenset(options["grant"]),
            scopes=tuple(dict.fromkeys(options["scope"])),
            audience=tuple(dict.fromkeys(options["audience"])),
            auth_method=options["auth_method"],
            secrets=() if secret is None else (ClientSecret.of(secret),),
            name=options["name"],
            introspect=options["introspect"],
            access_token_ttl=options["access_token_ttl"],
            refresh_retry_window=options["refresh_retry_window"],
            redirect_uris=tuple(dict.fromkeys(options["redirect_uri"])),
            post_logout_redirect_uris=tuple(dict.fromkeys(options["post_logout_uri"])),
            backchannel_logout_uri=options["backchannel_logout_uri"],
            first_party=options["first_party"],
            jwks=options["jwks"],
            jwks_uri=options["jwks_uri"],
            id_token_signed_response_alg=options["id_token_alg"],
            userinfo_signed_response_alg=options["userinfo_alg"],
        )
        at.add_client(client)
        if "password" in client.grants:
            self.stderr.write(f"{PASSWORD_GRANT.problem} {PASSWORD_GRANT.remedy}")
        self.tell_secret(options, describe_client(client), f"added client {client.client_id}", made)

    def list(self, options: Options) -> None:
        """List all clients."""
        clients = self.at.clients()
        rows = [
            (c.client_id, c.active, c.auth_method, sorted(c.grants), c.scopes, c.audience)
            for c in clients
        ]
        columns = ("client", "active", "authentication", "grants", "scopes", "audience")
        self.tell(
            options,
            [describe_client(client) for client in clients],
            column(columns, rows, "There are no clients; `bezant_client add` adds one."),
        )

    def rotate_secret(self, options: Options) -> None:
        """Give a client a new secret. The old one stays good for a while, so that nothing stops."""
        client_id, overlap = options["client"], max(0, options["overlap"])
        made = None if options["secret_stdin"] else new_secret()
        client = self.at.rotate_secret(client_id, made or read_secret("secret"), overlap=overlap)
        old = f"the old one ends in {overlap} seconds" if overlap else "the old one is refused"
        text = f"{client_id} has a new secret; {old}"
        self.tell_secret(options, describe_client(client), text, made)

    def disable(self, options: Options) -> None:
        """Refuse a client, and end all sessions and tokens that it got."""
        at, client_id = self.at, options["client"]
        ended = at.disable_client(client_id)
        document = {**describe_client(at.client(client_id)), "sessions_ended": ended}
        self.tell(options, document, f"{client_id} is disabled; sessions ended: {ended}")

    def enable(self, options: Options) -> None:
        """Let a disabled client get tokens again."""
        at, client_id = self.at, options["client"]
        at.enable_client(client_id)
        self.tell(options, describe_client(at.client(client_id)), f"{client_id} may get tokens")

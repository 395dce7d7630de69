"""Suite `token`: the token endpoints of whole servers.

All run side by side on one core; one at a time is under load, the others are idle.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from bench.load import Loaded, LoadError, Outcome, Work, form, refresh_form, take_turns
from bench.machine import SERVER_CORE, pin, workspace
from bench.ours import OURS
from bench.peers import PASSWORD, USERS, Missing, Peer, TokenServer, all_peers
from bench.report import Findings, Table, Target
from bench.servers import StartError
from bench.timing import median, ratio

CLIENT_CREDENTIALS, REFRESH, PASSWORDS = "client_credentials", "refresh_token", "password"
GRANTS = {CLIENT_CREDENTIALS: 16, REFRESH: 16, PASSWORDS: 4}
"""The grants and how many connections ask for each."""

TURN = 0.25
"""Seconds: a shared machine keeps its speed for some tenths of one."""

ARGON = "bare Argon2id, 19 MiB, t=2, p=1"
OIDC_PROVIDER, GLEWLWYD = "node oidc-provider, SQLite NORMAL", "Glewlwyd, SQLite FULL"

Results = dict[str, dict[str, list[Outcome]]]
"""By grant and server: one outcome per round."""


def work(server: TokenServer, grant: str) -> Work:
    """The load of one round."""
    connections = GRANTS[grant]
    if grant == REFRESH:
        # Every round begins new chains: the tokens of the last one were on their way when it ended.
        tokens = server.take_refresh_tokens(connections)
        return Work(grant, [refresh_form(server.path, {}, server.headers)], connections, tokens)
    if grant == PASSWORDS:
        bodies = [
            form(
                server.path,
                {"grant_type": grant, "username": user, "password": PASSWORD, **server.fields},
                server.headers,
            )
            for user in USERS
        ]
        return Work(grant, bodies, connections)
    headers = server.service_headers or server.headers
    return Work(
        grant, [form(server.path, {"grant_type": grant, **server.fields}, headers)], connections
    )


def bare_argon(seconds: float) -> Outcome:
    """Hashes per second on the server's core."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("argon.py")), str(seconds)],
        capture_output=True,
        text=True,
        preexec_fn=pin(SERVER_CORE),
        check=True,
    )
    rate = float(done.stdout)
    return Outcome(rate=rate, p50=1 / rate, p99=1 / rate)


def run(*, quick: bool) -> Findings:
    rounds, turns = (1, 4) if quick else (5, 12)
    findings = Findings()
    with contextlib.ExitStack() as stack, workspace("token") as directory:
        servers = start_all(
            (OURS, *all_peers()), stack, directory, (rounds + 1) * GRANTS[REFRESH], findings
        )
        results = measure(servers, rounds, turns, findings)
    findings.tables.append(_table(results))
    findings.targets += _targets(results)
    return findings


def start_all(
    peers: tuple[Peer, ...],
    stack: contextlib.ExitStack,
    directory: Path,
    chains: int,
    findings: Findings,
) -> dict[str, TokenServer]:
    """All that can be had; the others are named in the findings."""
    servers = {}
    for peer in peers:
        try:
            servers[peer.name] = peer.start(stack, directory, chains)
        except (Missing, StartError) as error:
            findings.left_out[peer.name] = str(error)
    return servers


def measure(
    servers: dict[str, TokenServer], rounds: int, turns: int, findings: Findings
) -> Results:
    """Rounds in which each server gets each grant, in many turns; the first one warms up,
    uncounted.
    """
    results: Results = defaultdict(lambda: defaultdict(list))
    for round_number in range(-1, rounds):
        for grant in GRANTS:
            if grant == PASSWORDS and round_number >= 0:
                results[grant][ARGON].append(bare_argon(TURN * turns))
            loads = {
                name: Loaded(server.port, [work(server, grant)])
                for name, server in servers.items()
                if (grant != PASSWORDS or server.password)
                and f"{name}: {grant}" not in findings.left_out
            }
            seen = take_turns(
                loads, turns=turns, seconds=TURN, warmup=0.5, round_number=round_number
            )
            for name, found in seen.items():
                if isinstance(found, LoadError):
                    findings.left_out[f"{name}: {grant}"] = str(found)
                    results[grant].pop(name, None)
                elif round_number >= 0:
                    results[grant][name].append(found[grant])
    return results


def _rates(results: Results, grant: str, name: str) -> list[float]:
    return [outcome.rate for outcome in results[grant].get(name, [])]


def _table(results: Results) -> Table:
    def cell(name: str, grant: str) -> str:
        outcomes = results[grant].get(name)
        if not outcomes:
            return "-"
        rate = median([outcome.rate for outcome in outcomes])
        p50, p99 = (
            median([getattr(outcome, which) * 1e3 for outcome in outcomes])
            for which in ("p50", "p99")
        )
        return (
            f"{rate:,.0f} ({p50:.1f}/{p99:.1f})"
            if rate >= 100
            else f"{rate:.1f} ({p50:.0f}/{p99:.0f})"
        )

    names = list(
        dict.fromkeys(name for grant in GRANTS for name in results[grant] if name != ARGON)
    )
    rows = [
        (name, *(cell(name, grant) for grant in GRANTS))
        for name in sorted(names, key=lambda n: n != OURS.name)
    ]
    rows.append((ARGON, "-", "-", cell(ARGON, PASSWORDS)))
    connections = ", ".join(f"{grant} {number}" for grant, number in GRANTS.items())
    note = (
        f"Requests per second on one core (p50/p99 in milliseconds). Connections: {connections}. "
        "Password hashes differ: Bezant Argon2id 19 MiB, Glewlwyd PBKDF2-SHA256 150,000, "
        "Authlib's peer scrypt 2^15, Django PBKDF2-SHA256 1,000,000."
    )
    return Table("Token endpoints", ("", *GRANTS), rows, note)


def _targets(results: Results) -> list[Target]:
    wanted = (
        ("refresh, times node oidc-provider on SQLite", REFRESH, OIDC_PROVIDER, 2),
        ("refresh, times Glewlwyd", REFRESH, GLEWLWYD, 8),
        ("client_credentials, times node oidc-provider", CLIENT_CREDENTIALS, OIDC_PROVIDER, 1.5),
        ("password, fraction of bare Argon2id", PASSWORDS, ARGON, 0.75),
    )
    targets = []
    for title, grant, other, at_least in wanted:
        ours, theirs = _rates(results, grant, OURS.name), _rates(results, grant, other)
        reached = ratio(ours, theirs) if ours and theirs else None
        targets.append(Target(title, at_least, reached, why_not="left out"))
    return targets

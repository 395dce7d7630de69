"""A process that rotates authorizations; `tests.stores.test_processes` starts several of them.

python -m tests.stores.rotator once URL ID TIMES
    Waits for a line, then tries the first generation so often at once; writes the outcomes.
python -m tests.stores.rotator forever URL ID...
    Rotates them all without end; writes "ID GENERATION" after each generation is acknowledged.
"""

from __future__ import annotations

import asyncio
import sys
import time

from bezant.stores import Outcome
from bezant.stores.sql import Database, SQLStores
from bezant.testing.stores import call, together

CLIENT = "web"
WINDOW = 60.0


def stores_at(url: str) -> SQLStores[Database]:
    """Synchronous stores for a URL that begins with ``sync+``, else asynchronous ones."""
    plain = url.removeprefix("sync+")
    database = Database.asynchronous(url) if plain == url else Database.sync(plain)
    return SQLStores(database)


async def once(url: str, id_: str, times: int) -> None:
    stores = stores_at(url)
    await call(stores.authorizations.get, id_)  # so that all are connected when they begin
    print("ready", flush=True)
    sys.stdin.readline()
    now = time.time()
    rotations = await together(
        stores.authorizations.rotate, times, id_, CLIENT, 1, now, now + 999, WINDOW
    )
    for rotation in rotations:
        print(rotation.outcome.name)
    await call(stores.database.close)


async def forever(url: str, *ids: str) -> None:
    stores = stores_at(url)

    async def rotate(id_: str) -> None:
        generation = 1
        while True:
            now = time.time()
            rotation = await call(
                stores.authorizations.rotate, id_, CLIENT, generation, now, now + 999, WINDOW
            )
            assert rotation.outcome is Outcome.ROTATED
            generation += 1
            print(id_, generation, flush=True)

    await asyncio.gather(*map(rotate, ids))


if __name__ == "__main__":
    command, url, *rest = sys.argv[1:]
    if command == "once":
        asyncio.run(once(url, rest[0], int(rest[1])))
    else:
        asyncio.run(forever(url, *rest))

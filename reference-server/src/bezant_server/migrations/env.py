"""What Alembic runs: always on the connection, and in the transaction, that `schema` hands over."""

from __future__ import annotations

from alembic import context

from bezant_server.migrations import VERSION_TABLE
from bezant_server.schema import METADATA, is_ours

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    include_object=is_ours,
    render_as_batch=True,
)
context.run_migrations()

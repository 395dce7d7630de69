"""Logging: one line per happening, with the request it belongs to, and never a secret.

Levels are for Bezant's own loggers. Libraries stay at `info` or above whatever is asked for: below
that, drivers log statements, parameters and rows.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, Final, TextIO

import structlog

from bezant_server.settings import Settings

__all__ = ["REQUEST_ID", "configure_logging"]

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that is being answered."""

OWN: Final = ("bezant", "bezant_server", "fastapi_bezant")

# Nothing that we log holds one of these. What a library puts into a message or a traceback might.
_SECRETS: Final = re.compile(
    r"eyJ[\w-]{8,}(?:\.[\w-]*)*"  # JWTs
    r"|bzr_[\w-]{8,}"  # refresh tokens
    r"|(?<=[Bb]asic )[\w+/=-]{8,}|(?<=[Bb]earer )[\w.~+/=-]{8,}"
    r"|(?<=://)[^\s/@'\"]*:[^\s/@'\"]*(?=@)"  # passwords in URLs
)


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Send all logging of this process to one stream, standard error by default."""
    stream = stream or sys.stderr
    people = settings.log_format == "console" or (settings.log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(people, stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(max(level, logging.INFO))
    for name in OWN:
        logging.getLogger(name).setLevel(level)
    # Core's line for each event is replaced by a structured one; see `events`.
    logging.getLogger("bezant.events").setLevel(logging.CRITICAL + 1)
    for name in ("uvicorn.access", "alembic", "sqlalchemy", "httpx2"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _formatter(people: bool, colors: bool) -> logging.Formatter:
    common: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
    ]
    renderer: list[Any] = [
        # Plain tracebacks: the richer kinds show local variables, and those hold secrets.
        structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )
    ]
    if not people:
        renderer = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            *common,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *renderer,
            _redact,
        ],
        foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter()],
    )


def _add_request_id(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        line["request_id"] = request_id
    return line


def _redact(_logger: Any, _name: str, line: Any) -> str:
    return _SECRETS.sub("[removed]", line)

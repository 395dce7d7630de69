"""The query string reaches core as it was sent: no framework mends it on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api import FEED, client_refusal

if TYPE_CHECKING:
    from tests.api import Api


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("wait=%zz", id="broken-escape"),
        pytest.param("wait=%", id="lone-percent"),
        pytest.param("wait=%ff", id="not-utf-8"),
        pytest.param("wait=1%00", id="nul"),
        pytest.param("wait=0&wait=0", id="twice"),
        pytest.param("wait=0&w%61it=0", id="twice-in-two-spellings"),
        pytest.param("wait=0;1", id="semicolon"),
        pytest.param("wait=+0", id="blank"),
        pytest.param("wait=0?", id="second-question-mark"),
        pytest.param("&".join(["x=1"] * 101), id="too-many"),
    ],
)
def test_what_is_malformed_is_refused(api: Api, query: str) -> None:
    assert client_refusal(api.get(FEED, query=query)) == (400, "invalid_request")


@pytest.mark.parametrize("query", ["wait=%30", "w%61it=0", "&wait=0&", "wait", "other=%C3%A9", "?"])
def test_what_is_well_formed_is_read(api: Api, query: str) -> None:
    assert api.get(FEED, query=query).status == 200

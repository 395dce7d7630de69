import os

from bezant import HTTPFetch
from bezant.codes import Codes
from bezant.relying_party import RelyingParty, new_browser_secret
from bezant.runtime import SYNC, run_sync
from bezant.stores.memory import MemoryCodeStore
from bezant.upstream import UpstreamProvider

party = RelyingParty(
    UpstreamProvider(
        name="acme",
        issuer="https://id.example.com",
        client_id="shop",
        client_secret=os.environ["ACME_SECRET"],
    ),
    Codes(MemoryCodeStore()),  # several processes need one that they share
    HTTPFetch(),
    redirect_uri="https://shop.example.com/login/acme/callback",
)


def sign_in(cookies: dict[str, str]) -> tuple[str, str]:
    """Where to send the browser, and what its cookie holds: Secure, HttpOnly, SameSite=Lax."""
    browser = cookies.get("__Host-acme") or new_browser_secret()
    return run_sync(party.begin(browser, SYNC, note={"next": "/basket"})), browser


def callback(query: str, cookies: dict[str, str]) -> tuple[tuple[str, str], str]:
    """Who came back, and where they wanted to go."""
    identity, note = run_sync(party.finish(query, cookies.get("__Host-acme", ""), SYNC))
    return (identity.issuer, identity.subject), note["next"]

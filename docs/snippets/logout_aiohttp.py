from aiohttp import web

from aiohttp_bezant import setup
from bezant import TokenVerifier
from bezant.logout_receiver import LogoutReceiver

ISSUER = "https://id.example.com"
sessions: dict[str, dict[str, str]] = {}  # yours: what the cookies of browsers stand for


async def sign_out(subject: str | None, sid: str | None) -> None:
    for key, session in list(sessions.items()):
        if sid == session["sid"] or (sid is None and subject == session["sub"]):
            sessions.pop(key, None)


receiver = LogoutReceiver.from_issuer(ISSUER, "shop", on_logout=sign_out)
app = web.Application()
setup(app, TokenVerifier.from_issuer(ISSUER, audience="shop"), logout_receiver=receiver)

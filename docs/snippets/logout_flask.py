from flask import Flask

from bezant import TokenVerifier
from bezant.logout_receiver import LogoutReceiver
from flask_bezant import Bezant

ISSUER = "https://id.example.com"
sessions: dict[str, dict[str, str]] = {}  # yours: what the cookies of browsers stand for


def sign_out(subject: str | None, sid: str | None) -> None:
    for key, session in list(sessions.items()):
        if sid == session["sid"] or (sid is None and subject == session["sub"]):
            sessions.pop(key, None)


receiver = LogoutReceiver.from_issuer(ISSUER, "shop", on_logout=sign_out)
bezant = Bezant(TokenVerifier.from_issuer(ISSUER, audience="shop"), logout_receiver=receiver)
app = Flask(__name__)
bezant.init_app(app)

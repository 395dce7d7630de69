from django.contrib.sessions.models import Session

from bezant.logout_receiver import LogoutReceiver

ISSUER = "https://id.example.com"


def sign_out(subject: str | None, sid: str | None) -> None:
    for session in Session.objects.iterator():  # a table of your own finds them quicker
        kept = session.get_decoded()
        if "sid" in kept and (sid == kept["sid"] or (sid is None and subject == kept["sub"])):
            session.delete()


receiver = LogoutReceiver.from_issuer(ISSUER, "shop", on_logout=sign_out)

BEZANT = {"ISSUER": ISSUER, "AUDIENCE": "shop", "LOGOUT_RECEIVER": receiver}

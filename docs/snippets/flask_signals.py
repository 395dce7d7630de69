from flask import Flask

from bezant.events import Event, RefreshReuseDetected
from flask_bezant import security_event


@security_event.connect
def alarm(app: Flask, event: Event) -> None:
    if isinstance(event, RefreshReuseDetected):
        app.logger.warning("a stolen refresh token of %s was used", event.subject)

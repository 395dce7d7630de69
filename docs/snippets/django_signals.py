import logging
from typing import Any

from django.dispatch import receiver

from bezant.events import RefreshReuseDetected
from django_bezant.signals import security_event

logger = logging.getLogger(__name__)


@receiver(security_event, sender=RefreshReuseDetected)
def alarm(event: RefreshReuseDetected, **kwargs: Any) -> None:
    logger.warning("a stolen refresh token of %s was used", event.subject)

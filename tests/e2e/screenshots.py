"""Pictures of every page in light, dark and phone width: python -m tests.e2e.screenshots FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bezant_server.demo.data import ALICE
from tests.e2e.chromium import chromium, missing
from tests.e2e.sso import tour, world

LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"viewport": {"width": 1280, "height": 800}},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2},
}

PROVIDER: Final = {
    "label": "Example",
    "issuer": "https://login.example.org",
    "client_id": "bezant",
    "client_secret": "nobody ever asks for it",
}


def main(folder: Path) -> None:
    """Take them all."""
    if reason := missing():
        sys.exit(reason)
    count = 0
    for look, options in LOOKS.items():
        place = folder / look
        place.mkdir(parents=True, exist_ok=True)
        # A new server each time: what somebody has consented to is not asked again.
        with (
            TemporaryDirectory() as data,
            world(Path(data), providers={"example": PROVIDER}) as where,
            chromium() as browser,
        ):
            page = browser.new_page(**options)
            for number, name in enumerate(tour(page, where, ALICE), 1):
                page.screenshot(
                    path=place / f"{number:02} {name.replace(', ', ' - ')}.png", full_page=True
                )
                count += 1
    print(f"{count} pictures in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

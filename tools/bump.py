"""Set one version everywhere it is written: python tools/bump.py 0.2.0"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")


def packages(root: Path) -> list[Path]:
    return [
        *sorted(root.glob("packages/*/pyproject.toml")),
        root / "reference-server/pyproject.toml",
    ]


def rewrite(metadata: str, version: str) -> str:
    """The metadata with its version, and every pin of a sibling, set to the one given."""
    metadata = re.sub(r'^version = ".*"$', f'version = "{version}"', metadata, flags=re.MULTILINE)
    # A sibling is whatever is pinned exactly: third parties have floors only.
    return re.sub(r'"([\w-]*bezant[\w-]*(?:\[[\w,-]+\])?)==[^"]*"', rf'"\1=={version}"', metadata)


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or not VERSION.fullmatch(arguments[0]):
        sys.exit("usage: nox -s bump -- VERSION, as in 0.2.0 or 0.2.0rc1")
    for path in packages(ROOT):
        path.write_text(rewrite(path.read_text(encoding="utf-8"), arguments[0]), encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Bare Argon2id in a process of its own: what one core could check if nothing else were to do.

Takes seconds, prints hashes per second. Cost as recommended by OWASP: 19 MiB, two passes, one lane.
"""

from __future__ import annotations

import sys
import time

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

if __name__ == "__main__":
    length, done = float(sys.argv[1]), 0
    begin = time.perf_counter()
    while (passed := time.perf_counter() - begin) < length:
        Argon2id(
            salt=b"0123456789abcdef", length=32, iterations=2, lanes=1, memory_cost=19456
        ).derive(b"password")
        done += 1
    print(done / passed)

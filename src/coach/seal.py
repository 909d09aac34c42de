"""Signed records from the process that runs a submission to the process that judges it.

The grading side makes a key and hands it to the child through a pipe before any of the submission is imported. Every
record carries a signature over its place in the sequence and its text; one that is missing, forged, repeated or out of
order ends the reading. What a submission in the same process can still reach is said in SECURITY.md.
"""

import hmac
import json
import os
from typing import Any

KEY_BYTES = 32


class Writer:
    """Writes records to a descriptor; the key is the first thing that the descriptor's other end sent."""

    def __init__(self, fd: int) -> None:
        key = os.read(fd, KEY_BYTES)
        sign, write, dump = hmac.digest, os.write, json.dumps
        place = 0

        def put(record: dict[str, Any]) -> None:
            nonlocal place
            text = dump(record).encode()
            signature = sign(key, b"%d:" % place + text, "sha256").hex().encode()
            place += 1
            line = signature + b" " + text + b"\n"
            while line:
                line = line[write(fd, line) :]

        # Held by a closure: a submission that replaces os.write or hmac afterwards changes nothing here.
        self.write = put


def read(key: bytes, data: bytes) -> list[dict[str, Any]]:
    """Return the records up to the first one that is not genuine, in order."""
    records: list[dict[str, Any]] = []
    for place, line in enumerate(data.splitlines()):
        signature, _, text = line.partition(b" ")
        expected = hmac.digest(key, b"%d:" % place + text, "sha256").hex().encode()
        if not hmac.compare_digest(signature, expected):
            break
        records.append(json.loads(text))
    return records

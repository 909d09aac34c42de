"""For the start, which lesson 09 writes: what is wrong with a secret, and what a newcomer sees in a terminal."""

import asyncio
import sys
from collections.abc import Sequence

from coach.parts import Part

MAKE_ONE = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
WELL_KNOWN = (
    "secret",
    "changeme",
    "change-me",
    "change_me",
    "password",
    "example",
    "insecure",
    "default",
    "test",
    "demo",
    "admin",
    "your-",
)


class UnsafeSettings(Exception):
    """The service would let in whoever knows what everybody knows."""


def weakness(secret: str, least: int) -> str:
    """Say what is wrong with a secret, "" if nothing is."""
    if len(secret) < least:
        return f"has {len(secret)} characters, fewer than {least}"
    if len(set(secret)) < 8:
        return f"has {len(set(secret))} different characters"
    known = next((word for word in WELL_KNOWN if word in secret.lower()), "")
    # In a long random text a short word may stand by chance, but not in one of letters and signs alone.
    return f"looks like an example: it says {known!r}" if known and not any(one.isdigit() for one in secret) else ""


def greet(names: Sequence[str], parts: Sequence[Part]) -> None:
    """Tell a newcomer in a terminal where to look, behind the server's own last line, which comes when we are done."""
    if sys.stderr.isatty():
        asyncio.get_running_loop().call_later(0.2, sys.stderr.write, banner(names, parts))


def banner(names: Sequence[str], parts: Sequence[Part]) -> str:
    """Return what a newcomer sees in a terminal, between lines that are meant for machines."""
    yours = [part.lesson for part in parts if part.whose == "yours"]
    here = f"http://127.0.0.1:{port()}"
    return (
        f"\n  Answers come from: {', '.join(names)}"
        f"\n  Parts of yours:    {', '.join(yours) or 'none yet; the reference serves'}"
        f"\n  Chat:              {here}/chat     API: {here}/docs"
        f'\n  Key:               demo      curl -H "Authorization: Bearer demo" {here}/v1/models\n\n'
    )


def port() -> str:
    """Return the port that the server was told on its command line; nobody else tells us."""
    words = " ".join(sys.argv).replace("=", " ").split()
    return words[words.index("--port") + 1] if "--port" in words[:-1] else "8000"

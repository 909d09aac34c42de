"""What is looked at before the first request: secrets that everybody knows, and what to say to whoever starts us."""

import asyncio
import logging
import sys

from capstone.parts import PARTS
from capstone.services.providers import Providers
from capstone.settings import Settings

log = logging.getLogger("capstone")
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


def check(settings: Settings) -> None:
    """Refuse settings that let strangers in.

    Raises:
        UnsafeSettings: with the command that makes good ones.
    """
    secret = settings.secret.get_secret_value() if settings.secret else None
    password = settings.admin_password.get_secret_value() if settings.admin_password else None
    if settings.is_demo and not settings.on_loopback:
        raise UnsafeSettings(
            f"CAPSTONE_HOST is {settings.host} and the key `demo` is on: everybody knows it. Set CAPSTONE_DEMO=false."
        )
    if not settings.on_loopback and secret is None:
        raise UnsafeSettings(
            f"CAPSTONE_HOST is {settings.host}, so CAPSTONE_SECRET has to be set. Make one: {MAKE_ONE}"
        )
    if secret is not None and (weak := weakness(secret, 32)):
        raise UnsafeSettings(f"CAPSTONE_SECRET {weak}. Make a better one: {MAKE_ONE}")
    if password is not None and (weak := weakness(password, 12)):
        raise UnsafeSettings(f"CAPSTONE_ADMIN_PASSWORD {weak}. Make a better one: {MAKE_ONE}")


def weakness(secret: str, least: int) -> str:
    """Say what is wrong with a secret, "" if nothing is."""
    if len(secret) < least:
        return f"has {len(secret)} characters, fewer than {least}"
    if len(set(secret)) < 8:
        return f"has {len(set(secret))} different characters"
    known = next((word for word in WELL_KNOWN if word in secret.lower()), "")
    # In a long random text a short word may stand by chance, but not in one of letters and signs alone.
    return f"looks like an example: it says {known!r}" if known and not any(one.isdigit() for one in secret) else ""


def announce(settings: Settings, providers: Providers) -> None:
    """Say who answers, whose parts serve, and where to look."""
    for part in PARTS:
        log.info("part %s: %s (%s)", part.lesson, part.whose, part.reason)
    names = providers.names or providers.silent
    log.info("provider: %s; models: %s", ", ".join(names), ", ".join(list(providers.of_model)[:10]) or "not known yet")
    if names == ["offline"]:
        log.warning(
            "offline: a fake answers. Set OPENAI_API_KEY, ANTHROPIC_API_KEY or OPENAI_BASE_URL for a real model"
        )
    log.info("look at /chat and /docs%s", "; the key demo lets in, from this machine alone" if settings.is_demo else "")
    if settings.is_demo and sys.stderr.isatty():
        # Behind the server's own last line, which comes when we are done.
        asyncio.get_running_loop().call_later(0.2, sys.stderr.write, banner(names))


def banner(names: list[str]) -> str:
    """Return what a newcomer sees in a terminal, between lines that are meant for machines."""
    yours = [part.lesson for part in PARTS if part.whose == "yours"]
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

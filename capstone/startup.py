"""What is looked at before anything is opened: settings that cannot be read, settings that let strangers in."""

import difflib
import os
import re
from pathlib import Path
from tempfile import TemporaryFile

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import SettingsError

from capstone.greeting import greet as greet  # lesson 09 looks for it here
from capstone.settings import Settings

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


class BadSettings(Exception):
    """A setting cannot be read. The text names it, and never shows its value: that may be a key."""


class CannotStart(Exception):
    """What the service needs is not to be had. The text is for whoever starts it, and all that they need to see."""


class UnsafeSettings(Exception):
    """The service would let in whoever knows what everybody knows."""


def read_settings() -> Settings:
    """Read the settings from the environment and `.env`.

    Raises:
        BadSettings: it says which of them cannot be read.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"{variable(str(one['loc'][0]))}: {words_of(one['msg'])}" for one in error.errors(include_input=False)]
    except SettingsError as error:
        found = re.search(r'field "(\w+)"', str(error))
        wrong = [f"{variable(found[1]) if found else 'a setting'}: it has to be JSON"]
    where = "It comes from the environment or from .env; docs/capstone/settings.md has them all."
    raise BadSettings(f"{'; '.join(wrong)}. {where}")


def words_of(message: str) -> str:
    """Return a message of pydantic's without what it puts before ours."""
    return message.removeprefix("Value error, ")


def variable(field: str) -> str:
    """Return the variable of a field."""
    alias = Settings.model_fields[field].validation_alias if field in Settings.model_fields else field
    return str(alias or f"CAPSTONE_{field.upper()}")


def misspelled() -> list[str]:
    """Return a sentence for each variable that looks like a setting and is none."""
    known = [variable(name) for name in Settings.model_fields]
    sentences: list[str] = []
    for name in sorted({*os.environ, *dotenv_values(".env")}):
        if name.startswith("CAPSTONE_") and name not in known and name != "CAPSTONE_TEST_APP":
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            sentences.append(f"{name} is no setting" + (f"; is it {near[0]}?" if near else ""))
    return sentences


def make_folder(folder: Path) -> None:
    """Make the data folder, for nobody else's eyes.

    Raises:
        CannotStart: nothing can be written there.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as probe:
            probe.write(b"x")
    except OSError as error:
        raise CannotStart(f"CAPSTONE_DATA is {folder}, where nothing can be written: {error.strerror}") from None


def check(settings: Settings) -> None:
    """Refuse settings that let strangers in, whatever a lesson 09 of somebody's thinks of them.

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

"""Make the secrets that `compose.yaml` mounts, each once: what is there already stays as it is.

    python3 deploy/make_secrets.py

Needs nothing but Python 3.9 or newer. Without one:

    docker run --rm --volume "$PWD:/srv" --workdir /srv python:3.11.14-slim-trixie python deploy/make_secrets.py
"""

import secrets
import sys
from pathlib import Path

SETTINGS = """\
# The service reads this file as /srv/.env when it starts. Every setting may stand here: docs/capstone/settings.md.
CAPSTONE_SECRET={secret}
CAPSTONE_ADMIN_PASSWORD={admin}
CAPSTONE_DATABASE_URL=postgresql+asyncpg://capstone:{postgres}@postgres:5432/capstone
CAPSTONE_REDIS_URL=redis://:{redis}@redis:6379/0
CAPSTONE_BROKER_URL=redis://:{redis}@redis:6379/1

# Who answers. Without one of these a fake does, and says so.
# OPENAI_API_KEY=
# OPENAI_BASE_URL=
# ANTHROPIC_API_KEY=
"""


def main() -> None:
    """Write what is missing into `secrets/`."""
    folder = Path(__file__).resolve().parents[1] / "secrets"
    # Compose mounts a file with the owner and mode that it has here, and in the containers other users read it. So the
    # files are open and their folder is not: on this machine nobody but you gets at them.
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    postgres = keep(folder / "postgres_password", secrets.token_urlsafe(32))
    redis = keep(folder / "redis_password", secrets.token_urlsafe(32))
    made = SETTINGS.format(
        secret=secrets.token_urlsafe(48), admin=secrets.token_urlsafe(24), postgres=postgres, redis=redis
    )
    keep(folder / "capstone.env", made)


def keep(file: Path, text: str) -> str:
    """Write a file unless it is there; return what is in it."""
    if file.exists():
        said = "stays as it is"
    else:
        file.write_text(text, encoding="utf-8")
        file.chmod(0o644)
        said = "made"
    sys.stdout.write(f"secrets/{file.name}: {said}\n")
    return file.read_text(encoding="utf-8").strip()


if __name__ == "__main__":
    main()

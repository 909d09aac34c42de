"""The tools that read a Dockerfile and a compose file, as the course's packages bring them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TOOLS = Path(sys.executable).parent


def hadolint(dockerfile: str) -> list[str]:
    """What the linter says of a Dockerfile: "line 3: DL3042, warning"."""
    command = [TOOLS / "hadolint", "--no-fail", "--format", "json", "-"]
    done = subprocess.run(command, input=dockerfile, capture_output=True, text=True, check=True, timeout=60)
    return [f"line {one['line']}: {one['code']}, {one['level']}" for one in json.loads(done.stdout)]


def compose(text: str, folder: Path) -> tuple[dict[str, Any], str]:
    """What Docker Compose makes of a file, and what it says meanwhile; nothing is in its environment."""
    (folder / "compose.yaml").write_text(text)
    command = [TOOLS / "docker-compose", "config", "--format", "json"]
    empty = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        command,
        cwd=folder,
        env=empty,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return (json.loads(done.stdout) if done.returncode == 0 else {}), done.stderr

"""Compose: a password with a dollar in it. Shown on docs/systems/compose.md."""

from pathlib import Path

from tests.docs.traps.deployment.files import compose

BROKEN = """
# --8<-- [start:broken]
services:
  redis:
    image: redis:8.2.2-alpine3.22
    command: redis-server --requirepass s3cret$word
# --8<-- [end:broken]
"""

REPAIRED = """
# --8<-- [start:repaired]
services:
  redis:
    image: redis:8.2.2-alpine3.22
    # `$$` is one `$`: the shell in the container reads the file
    command:
      - sh
      - -c
      - exec redis-server --requirepass "$$(cat /run/secrets/redis_password)"
    secrets: [redis_password]
secrets:
  redis_password: { file: secrets/redis_password }
# --8<-- [end:repaired]
"""


def test_half_of_the_password_is_a_variable(tmp_path: Path) -> None:
    # --8<-- [start:seen]
    found, said = compose(BROKEN, tmp_path)
    # the password that everybody has now
    assert found["services"]["redis"]["command"][-1] == "s3cret"
    # one warning, and it starts
    assert '"word\\" variable is not set. Defaulting to a blank string' in said
    # --8<-- [end:seen]


def test_two_dollars_are_one_and_the_password_is_in_no_file_of_compose(tmp_path: Path) -> None:
    found, said = compose(REPAIRED, tmp_path)
    assert said == ""
    assert found["services"]["redis"]["command"][-1].endswith('"$$(cat /run/secrets/redis_password)"')
    assert [one["source"] for one in found["services"]["redis"]["secrets"]] == ["redis_password"]

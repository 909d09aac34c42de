"""The compose file of many tutorials. The three sections are shown on the page of lesson 07."""

from pathlib import Path

from tests.docs.traps.deployment.files import compose

BROKEN = """
# --8<-- [start:broken]
version: "3.8"
services:
  api:
    build: .
    ports: ["8000:8000"]
    environment:
      - OPENAI_API_KEY=${OPENAI_API_KEY}
    depends_on: [redis]
  redis:
    image: redis:alpine
    ports: ["6379:6379"]
# --8<-- [end:broken]
"""

REPAIRED = """
# --8<-- [start:repaired]
services:
  api:
    build: .
    ports: ["127.0.0.1:8000:8000"]
    environment: { OPENAI_API_KEY_FILE: /run/secrets/openai_api_key }
    secrets: [openai_api_key]
    depends_on: { redis: { condition: service_healthy } }
    stop_grace_period: 40s
    restart: unless-stopped
    read_only: true
    security_opt: ["no-new-privileges:true"]
  redis:
    image: redis:8.2.2-alpine3.22
    # with a password, limits and a volume, as in lessons/07_deployment
    healthcheck: { test: ["CMD-SHELL", "redis-cli -e ping"] }
secrets:
  openai_api_key: { file: secrets/openai_api_key }
# --8<-- [end:repaired]
"""


def test_compose_itself_says_half_of_it(tmp_path: Path) -> None:
    # --8<-- [start:seen]
    found, said = compose(BROKEN, tmp_path)
    assert "`version` is obsolete" in said
    assert '"OPENAI_API_KEY\\" variable is not set. Defaulting to a blank string' in said
    assert found["services"]["api"]["environment"] == {"OPENAI_API_KEY": ""}  # and it starts all the same
    assert found["services"]["api"]["depends_on"]["redis"]["condition"] == "service_started"
    assert "host_ip" not in found["services"]["redis"]["ports"][0]  # 6379 of every interface
    # --8<-- [end:seen]


def test_the_repaired_file_is_taken_without_a_word(tmp_path: Path) -> None:
    found, said = compose(REPAIRED, tmp_path)
    assert said == ""
    assert found["services"]["api"]["depends_on"]["redis"]["condition"] == "service_healthy"


def test_a_missing_value_can_stop_the_start(tmp_path: Path) -> None:
    found, said = compose(BROKEN.replace("${OPENAI_API_KEY}", "${OPENAI_API_KEY:?set it in .env}"), tmp_path)
    assert found == {}
    assert "set it in .env" in said

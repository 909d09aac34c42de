"""The service against its own documentation, by requests that a machine makes up."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mockllm import MockLLM
from tests.capstone.inside import capstone

CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance,ignored_auth"


@pytest.mark.timeout(180)
def test_whatever_the_documentation_allows_ends_in_no_error_of_ours_and_in_the_form_it_promises(tmp_path: Path) -> None:
    with capstone(tmp_path, MockLLM(settle_turns=0), requests_per_minute=10**6, retries=0) as running:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{running.url}/openapi.json"]
        command += ["-H", "Authorization: Bearer demo", "--checks", CHECKS, "--seed", "1", "--max-examples", "3"]
        command += ["--phases", "examples,coverage,fuzzing", "--no-color"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
        assert "Traceback" not in running.log.getvalue()


def test_every_route_is_documented_with_a_sentence_and_its_errors(tmp_path: Path) -> None:
    with capstone(tmp_path) as running:
        document: dict[str, Any] = running.client.get("/openapi.json").json()
    for path, ways in document["paths"].items():
        for method, route in ways.items():
            assert route.get("description") or route.get("summary"), (method, path)
            error = route["responses"]["default"]["content"]["application/json"]["schema"]["$ref"]
            assert error.endswith("OpenAIErrorResponse" if path.startswith("/v1/") else "/ErrorResponse")
    request = document["components"]["schemas"]["ChatCompletionRequest"]
    assert {"model", "messages", "temperature", "max_tokens", "stream", "tools", "stream_options"} <= set(
        request["properties"]
    )
    assert "#/$defs" not in str(document)
    tokens = [one for one in document["components"]["securitySchemes"].values() if "flows" in one]
    assert tokens[0]["flows"]["password"]["tokenUrl"] == "/auth/token"

"""The two ways to run on AWS Lambda, as far as that can be tried without AWS."""

import base64
import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from coach.doctor import locked
from tests.conftest import ROOT
from tests.deploy.files import command, environment, instructions, last_stage
from tests.lessons.deployment.processes import running
from tests.lessons.deployment.test_lambda import RuntimeAPI, runtime_api

pytestmark = pytest.mark.timeout(120)
JSON, STREAM = ROOT / "deploy/lambda/Dockerfile", ROOT / "deploy/lambda/Dockerfile.stream"
SECRET = "Zf3-8kQw_0vRtY6mNb2xLp9sHd4jGc7aEu1iOo5T"


def event(method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
    """A request as an HTTP API and a Function URL write it."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", **headers},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "203.0.113.7", "protocol": "HTTP/1.1"}},
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
    }


ASKED = {"model": "mock-small", "messages": [{"role": "user", "content": "hello"}]}


def admin(function: RuntimeAPI) -> dict[str, str]:
    """The headers of somebody who may ask."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    token = told(function.invoke(event("POST", "/auth/token", f"username=admin&password={SECRET[:24]}", **form)))
    return {"authorization": f"Bearer {token['access_token']}", "content-type": "application/json"}


def told(answer: dict[str, Any]) -> Any:
    body = answer["body"]
    return json.loads(base64.b64decode(body) if answer["isBase64Encoded"] else body)


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeAPI]:
    """The command of the image, with the settings of its environment."""
    tmp_path = tmp_path_factory.mktemp("function")
    shutil.copy(ROOT / "deploy/lambda/handler.py", tmp_path)
    moved = {**environment(JSON), "CAPSTONE_DATA": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    given = {**moved, "CAPSTONE_HOST": environment()["CAPSTONE_HOST"], "CAPSTONE_SECRET": SECRET}
    words = command("ENTRYPOINT", JSON) + command("CMD", JSON)
    with runtime_api() as api:
        settings = {**given, "CAPSTONE_ADMIN_PASSWORD": SECRET[:24], "AWS_LAMBDA_RUNTIME_API": api.address}
        with running(*words, folder=tmp_path, cwd=tmp_path, **settings):
            yield api


def test_the_handler_answers_with_json_and_lets_in_nobody_without_a_key(function: RuntimeAPI) -> None:
    assert told(function.invoke(event("GET", "/health/ready")))["status"] == "ready"
    refused = function.invoke(event("GET", "/v1/models", authorization="Bearer demo"))
    assert refused["statusCode"] == 401
    answer = function.invoke(event("POST", "/v1/chat/completions", ASKED, **admin(function)))
    assert answer["statusCode"] == 200
    assert told(answer)["choices"][0]["message"]["content"]


def test_row_33_a_stream_that_would_come_in_one_piece_is_refused_and_costs_nothing(function: RuntimeAPI) -> None:
    """What would stream stands beside it: `Dockerfile.stream`."""
    headers = admin(function)
    before = told(function.invoke(event("GET", "/usage", **headers)))["tokens_today"]
    refused = function.invoke(event("POST", "/v1/chat/completions", {**ASKED, "stream": True}, **headers))
    assert (refused["statusCode"], told(refused)["error"]["message"]) == (
        501,
        "Nothing streams through this address: ask with stream=false.",
    )
    assert told(function.invoke(event("GET", "/usage", **headers)))["tokens_today"] == before


def test_both_images_are_made_of_the_service_s_own_and_write_where_lambda_lets_them() -> None:
    for file in (JSON, STREAM):
        assert next(rest for word, rest in last_stage(file) if word == "FROM") == "capstone:1.0.0"
        given = environment(file)
        assert given["CAPSTONE_DATA"] == "/tmp"  # noqa: S108 - of the function: the one folder it may write to
        assert given["CAPSTONE_JOBS_AT_ONCE"] == "0"


def test_the_runtime_client_is_the_one_that_was_tested() -> None:
    version = locked(ROOT / "requirements-dev.lock")["awslambdaric"]
    assert any(f"awslambdaric=={version}" in rest for _, rest in instructions(JSON))


def test_the_adapter_asks_where_the_server_listens_and_passes_on_what_comes() -> None:
    given, served = environment(STREAM), command("CMD")
    assert given["AWS_LWA_PORT"] == served[served.index("--port") + 1]
    assert given["AWS_LWA_READINESS_CHECK_PATH"] == "/health/live"
    assert given["AWS_LWA_INVOKE_MODE"] == "response_stream"
    assert not [word for word, _ in last_stage(STREAM) if word in ("CMD", "ENTRYPOINT")], "the server is the image's"
    copied = [rest for word, rest in last_stage(STREAM) if word == "COPY"]
    assert copied == ["--from=adapter /lambda-adapter /opt/extensions/lambda-adapter"]

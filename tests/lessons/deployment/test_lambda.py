"""The handler of the reference, driven as Lambda drives it: AWS's runtime client against a Runtime API of ours.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.lessons.deployment.processes import PATIENCE_S, Process, running

pytestmark = pytest.mark.timeout(180)
HANDLER = "solutions.07_deployment.main.handler"


class RuntimeAPI:
    """What a Lambda sandbox offers to the process inside of it."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.address = f"127.0.0.1:{server.server_port}"
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.results: queue.Queue[tuple[str, Any]] = queue.Queue()

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Hand an event over, and wait for what the function makes of it."""
        self.events.put((str(uuid.uuid4()), event))
        where, result = self.results.get(timeout=PATIENCE_S)
        assert where.endswith("/response"), f"{where}: {result}"
        return result


@contextmanager
def runtime_api() -> Iterator[RuntimeAPI]:
    class Sandbox(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path == "/2018-06-01/runtime/invocation/next"
            id, event = api.events.get()
            if id == "the end":
                self.close_connection = True
                return
            body = json.dumps(event).encode()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", id)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
            self.send_header(
                "Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:chat"
            )
            self.send_header("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            api.results.put((self.path, json.loads(body or b"null")))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Sandbox) as server:
        server.daemon_threads = True
        api = RuntimeAPI(server)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield api
        finally:
            api.events.put(("the end", None))
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RuntimeAPI, Process]]:
    folder = tmp_path_factory.mktemp("lambda")
    with (
        runtime_api() as api,
        running(
            "python", "-m", "awslambdaric", HANDLER,
            folder=folder, AWS_LAMBDA_RUNTIME_API=api.address, AWS_LAMBDA_FUNCTION_NAME="chat",
        ) as process,
    ):  # fmt: skip
        yield api, process


def event(method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
    """An event of an HTTP API, payload format 2.0."""
    host = "abc123.execute-api.eu-central-1.amazonaws.com"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": host, "x-forwarded-proto": "https", **headers},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": host,
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "x",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
            "timeEpoch": 1795521600000,
        },
        **({} if body is None else {"body": json.dumps(body)}),
        "isBase64Encoded": False,
    }


def test_the_same_process_answers_one_event_after_the_other(function: tuple[RuntimeAPI, Process]) -> None:
    api, process = function
    for _ in range(3):
        reply = api.invoke(event("GET", "/health/ready"))
        assert reply["statusCode"] == 200, process.said
        assert json.loads(reply["body"]) == {"status": "ready", "parts": {"jobs": "ok"}}
        assert reply["isBase64Encoded"] is False


def test_state_outlives_an_event_because_the_process_does(function: tuple[RuntimeAPI, Process]) -> None:
    api, _ = function
    first = api.invoke(event("POST", "/jobs", {"prompt": "one"}, **{"idempotency-key": "k1"}))
    again = api.invoke(event("POST", "/jobs", {"prompt": "one"}, **{"idempotency-key": "k1"}))
    assert (first["statusCode"], again["statusCode"]) == (202, 202)
    assert first["headers"]["location"] == again["headers"]["location"]


def test_a_stream_is_refused_and_the_whole_answer_is_not(function: tuple[RuntimeAPI, Process]) -> None:
    api, _ = function
    refused = api.invoke(event("POST", "/chat", {"prompt": "hi", "stream": True}))
    assert refused["statusCode"] == 501
    whole = api.invoke(event("POST", "/chat", {"prompt": "hi"}))
    assert whole["statusCode"] == 200
    assert json.loads(whole["body"])["text"].startswith("You asked: hi.")


def test_the_process_did_not_complain(function: tuple[RuntimeAPI, Process]) -> None:
    _, process = function
    assert process.popen.poll() is None, process.said
    assert "Traceback" not in process.said
    assert "Warning" not in process.said


def test_an_image_of_lambda_needs_the_same_files(tmp_path: Path) -> None:
    """Without its environment `main.py` makes no handler: nothing of Mangum is imported on a server."""
    with running("python", "-c", f"import {HANDLER}", folder=tmp_path) as process:
        assert process.status() == 1
        assert "handler" in process.said

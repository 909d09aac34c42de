"""Traces as a collector gets them: switched on by OpenTelemetry's own variables, from a service of its own process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from capstone.services import tracing
from mockllm import MockLLM, serve_in_thread
from tests.capstone.service import Service, serve
from tests.capstone.test_faults import STREAM

OURS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRETS = ("my secret prompt", "a confidential answer", "sk-mock", "demo-")
CHAT = {"model": "mock-large", "messages": [{"role": "user", "content": SECRETS[0]}], "max_tokens": 64}


class Collector(ThreadingHTTPServer):
    """Takes what an OTLP exporter sends."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[bytes]] = {}
        super().__init__(("127.0.0.1", 0), Taking)

    def spans(self) -> list[dict[str, Any]]:
        """Every span that has come: its ids, name, status, events, and attributes by name."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        found: list[dict[str, Any]] = []
        for body in self.bodies.get("/v1/traces", []):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found += [
                        {
                            "service": plain(resource.resource.attributes)["service.name"],
                            "trace": one.trace_id.hex(),
                            "id": one.span_id.hex(),
                            "parent": one.parent_span_id.hex(),
                            "name": one.name,
                            "failed": one.status.code == 2,
                            "events": [event.name for event in one.events],
                            **plain(one.attributes),
                        }
                        for one in scope.spans
                    ]
        return found


class Taking(BaseHTTPRequestHandler):
    """One request of an exporter."""

    def do_POST(self) -> None:
        """Keep it."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        cast(Collector, self.server).bodies.setdefault(self.path, []).append(body)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def plain(attributes: Any) -> dict[str, Any]:
    """Attributes of OTLP as Python has them."""

    def value(one: Any) -> Any:
        kind = one.WhichOneof("value")
        return [value(each) for each in one.array_value.values] if kind == "array_value" else getattr(one, kind)

    return {one.key: value(one.value) for one in attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def traced(data: Path, fake: MockLLM, url: str, **more: Any) -> Any:
    """A service that sends traces to `url`."""
    exporter = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_METRICS_EXPORTER": "none"}
    return serve(data, CAPSTONE_RETRIES=0, **exporter, **more)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a service has sent that was asked in every way: spans by the id of their request, and its provider's."""
    fake, ids = MockLLM(settle_turns=0), dict[str, str]()

    def ask(service: Service, name: str, path: str, body: dict[str, Any], **headers: str) -> None:
        answer = service.client.post(path, json=body, headers=headers)
        ids[name] = answer.headers["x-request-id"]

    with collector() as kept, serve_in_thread(fake) as served:
        address = f"http://127.0.0.1:{kept.server_address[1]}"
        given: dict[str, Any] = {"OPENAI_BASE_URL": f"{served.url}/v1", "OPENAI_API_KEY": "sk-mock"}
        given |= {"ANTHROPIC_BASE_URL": served.url, "ANTHROPIC_API_KEY": "sk-ant-mock"}
        given |= {"CAPSTONE_MODELS": "mock-large,mock-embed", "CAPSTONE_ANTHROPIC_MODELS": "mock-small"}
        with traced(tmp_path_factory.mktemp("traced") / "data", fake, address, **given) as service:
            fake.default.reply(SECRETS[1])
            ask(service, "whole", "/v1/chat/completions", CHAT, traceparent=OURS)
            ask(service, "stream", "/v1/chat/completions", {**CHAT, **STREAM, "messages": CHAT["messages"]})
            ask(service, "embedding", "/v1/embeddings", {"model": "mock-embed", "input": SECRETS[0]})
            ask(service, "anthropic", "/v1/chat/completions", {**CHAT, "model": "mock-small"})
            ask(service, "anthropic stream", "/v1/chat/completions", {**CHAT, "model": "mock-small", "stream": True})
            fake.fail(429, message=SECRETS[0])
            ask(service, "failed", "/v1/chat/completions", CHAT)
            fake.tokens(["a", "b"]).cut(after=1)
            ask(service, "cut", "/v1/chat/completions", {**CHAT, "stream": True})
            service.stop()  # what waits is sent
            log = service.log.read_text()
        spans = kept.spans()
        raw = b"".join(body for bodies in kept.bodies.values() for body in bodies)
    by_id = {name: [one for one in spans if one.get("capstone.request_id") == id_] for name, id_ in ids.items()}
    return {"spans": by_id, "raw": raw, "paths": set(kept.bodies), "asked": fake.requests, "log": log, "ids": ids}


def call_and_request(told: dict[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The span of the call of a model, and that of the request that led to it."""
    found = told["spans"][name]
    (call,) = [one for one in found if "gen_ai.operation.name" in one]
    (request,) = [one for one in found if "http.request.method" in one]
    return call, request


@pytest.mark.parametrize(
    ("name", "operation", "model", "provider"),
    [
        ("whole", "chat", "mock-large", "openai"),
        ("stream", "chat", "mock-large", "openai"),
        ("embedding", "embeddings", "mock-embed", "openai"),
        ("anthropic", "chat", "mock-small", "anthropic"),
        ("anthropic stream", "chat", "mock-small", "anthropic"),
    ],
)
def test_a_call_is_told_in_the_words_of_the_conventions(
    told: dict[str, Any], name: str, operation: str, model: str, provider: str
) -> None:
    call, request = call_and_request(told, name)
    assert call["name"] == f"{operation} {model}"
    assert call["service"] == "capstone"
    assert call["gen_ai.operation.name"] == operation
    assert call["gen_ai.request.model"] == call["gen_ai.response.model"] == model
    assert call["gen_ai.provider.name"] == provider
    assert call["server.address"] == "127.0.0.1"
    assert call["gen_ai.usage.input_tokens"] > 0
    assert not call["failed"]
    assert call["trace"] == request["trace"]
    assert call["parent"] == request["id"] or operation == "embeddings", (
        "there FastAPI's span of the endpoint is between"
    )
    assert request["http.response.status_code"] == 200
    assert request["capstone.caller"] == "key:demo"
    if operation == "chat":
        assert call["gen_ai.response.finish_reasons"] == ["stop"]
        assert call["gen_ai.usage.output_tokens"] > 0
        assert call["gen_ai.response.id"]
        assert call["gen_ai.request.max_tokens"] == 64
    assert ("gen_ai.response.time_to_first_chunk" in call) == name.endswith("stream")


def test_a_failure_is_told_by_a_word_and_not_in_the_providers_own(told: dict[str, Any]) -> None:
    failed, request = call_and_request(told, "failed")
    assert (failed["failed"], failed["error.type"], failed["events"]) == (True, "429", ["capstone.provider_failed"])
    assert failed["gen_ai.provider.name"] == "openai"
    assert request["http.response.status_code"] == 429
    cut, _ = call_and_request(told, "cut")
    assert (cut["failed"], cut["error.type"]) == (True, "ProviderError")


def test_a_trace_comes_from_the_caller_and_goes_on_at_the_provider(told: dict[str, Any]) -> None:
    assert call_and_request(told, "whole")[1]["trace"] == OURS.split("-")[1]
    carried = [one.headers.get("traceparent", "").split("-") for one in told["asked"] if one.headers.get("traceparent")]
    calls = {call_and_request(told, name)[0]["id"] for name in told["ids"]}
    assert {one[2] for one in carried} == calls, "each call carries its own span, over both clients"


def test_nothing_that_anybody_wrote_is_sent_and_the_log_line_names_the_trace(told: dict[str, Any]) -> None:
    assert told["paths"] == {"/v1/traces"}, "no log: exceptions have texts"
    for secret in SECRETS:
        assert secret.encode() not in told["raw"], secret
    assert f'"trace_id":"{OURS.split("-")[1]}"' in told["log"]


def test_where_nobody_traces_nothing_is_carried_and_nothing_kept() -> None:
    class Used:
        kind, model, request_id, outcome, said = "chat", "mock-large", "x", "done", None

    span, headers = tracing.start(Used(), {}), {"a": "b"}
    assert tracing.CALL.get() is None
    assert tracing.passed_on(headers) is headers
    assert not span.is_recording()

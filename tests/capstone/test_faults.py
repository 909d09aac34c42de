"""What goes wrong in the field, and what a caller gets to see: rows 1 to 7, 28, 29 and 31 of the list of faults."""

import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, OpenAI

from mockllm import MockLLM, serve_in_thread
from mockllm.faults import FAULTS, script_from_words
from tests.capstone.inside import CHAT, HELLO, QUICK, Running, capstone
from tests.capstone.service import serve

STREAM = {**CHAT, "stream": True}
SECRET = "the provider's own words"  # nobody but our log may have them


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that tries once, and waits for nothing long."""
    data = tmp_path_factory.mktemp("data")
    with capstone(data, MockLLM(settle_turns=0), **QUICK) as running:
        yield running


@pytest.fixture
def fake(running: Running) -> MockLLM:
    assert running.fake
    running.fake.reset()
    running.service.chat.breakers.clear()
    return running.fake


def wait_for(ready: Any, complaint: str) -> None:
    deadline = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.005)


@contextmanager
def asking(url: str, body: dict[str, Any], key: str = "demo") -> Iterator[socket.socket]:
    """Send a request and read nothing; leaving closes the connection at once."""
    host, port = url.removeprefix("http://").split(":")
    content = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode() + content)
        yield connection


def read_until(connection: socket.socket, text: bytes, times: int = 1) -> bytes:
    said = b""
    while said.count(text) < times:
        more = connection.recv(65_536)
        assert more, f"it ended before {text!r}: {said!r}"
        said += more
    return said


# Many at once.


def test_row_7_four_hundred_users_are_all_with_the_provider_at_the_same_time(tmp_path: Path) -> None:
    """Nothing of ours lets them wait for each other; how fast that is, benchmarks/service.py measures."""
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake, retries=0, requests_per_minute=10**6) as running, ExitStack() as stack:
        gate = fake.hold()
        connections = [stack.enter_context(asking(running.url, CHAT)) for _ in range(400)]
        wait_for(lambda: fake.in_flight == 400, "some wait for others")
        gate.open()
        assert all(read_until(one, b"chat.completion").startswith(b"HTTP/1.1 200") for one in connections)


# Readers who leave.


def test_row_1_a_reader_who_leaves_a_call_that_does_not_stream_ends_it(running: Running, fake: MockLLM) -> None:
    fake.hang()
    with asking(running.url, CHAT):
        wait_for(lambda: fake.in_flight, "the provider was not asked")
    wait_for(lambda: fake.cancelled, "the reader has left, and the provider still works")
    wait_for(lambda: running.usage()[:1] and running.usage()[0].outcome == "left", "the record says otherwise")


def test_row_2_a_reader_who_leaves_before_the_first_token_ends_it(running: Running, fake: MockLLM) -> None:
    """Both before the provider's status and after it."""
    before = len(running.usage())
    fake.hang()
    with asking(running.url, STREAM):
        wait_for(lambda: fake.in_flight, "the provider was not asked")
    wait_for(lambda: fake.cancelled, "the reader has left, and the provider still works")

    gate = fake.tokens(["a", "b"]).step()
    with asking(running.url, STREAM) as connection:
        read_until(connection, b"\r\n\r\n")
    wait_for(lambda: fake.closed_early, "the reader has left, and the provider still writes")
    assert fake.closed_early[0].tokens_sent == 0
    gate.release()
    wait_for(lambda: len(running.usage()) >= before + 2, "a record is missing")
    assert [one.outcome for one in running.usage()[:2]] == ["left", "left"]


def test_row_3_a_reader_who_leaves_in_mid_stream_ends_it_under_all_middleware(running: Running, fake: MockLLM) -> None:
    gate = fake.tokens(["a", "b", "c"]).step()
    with asking(running.url, STREAM) as connection:
        gate.release(1)
        read_until(connection, b'"content":"a"')
    wait_for(lambda: fake.closed_early, "the reader has left, and the provider still writes")
    assert fake.closed_early[0].tokens_sent == 1
    names = [one.cls.__name__ for one in running.app.user_middleware]  # type: ignore[attr-defined]
    assert {"RequestContext", "OneShape", "CutAtDeadline", "WhileConnected", "Authenticate", "RateLimit"} <= set(names)


def test_row_5_five_hundred_aborted_streams_leave_nothing_open(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    fake.default.reply("word " * 200).slow(cadence_s=0.02)
    with (
        serve_in_thread(fake) as served,
        serve(
            tmp_path / "data",
            OPENAI_BASE_URL=f"{served.url}/v1",
            OPENAI_API_KEY="sk-mock",
            CAPSTONE_REQUESTS_PER_MINUTE=10**6,
        ) as service,
    ):

        def abort(_: int) -> None:
            with asking(service.url, STREAM) as connection:
                read_until(connection, b"data: ", times=2)

        def abort_many(times: int) -> tuple[int, int]:
            with ThreadPoolExecutor(20) as pool:
                list(pool.map(abort, range(times)))
            wait_for(lambda: not fake.in_flight, "streams are still open at the provider")
            wait_for(lambda: service.client.get("/usage").json()["days"][0]["calls"] >= times, "calls are missing")
            return len(list(Path(f"/proc/{service.process.pid}/fd").iterdir())), service.memory

        files, memory = abort_many(120)
        files_after, memory_after = abort_many(500)
        assert files_after <= files + 2
        assert memory_after < memory + 6_000_000
        assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize("ending", ["aborted", "refused"])
def test_row_6_a_pool_of_five_still_works_after_twenty_bad_streams(tmp_path: Path, ending: str) -> None:
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake, retries=0, max_connections=5, connect_s=5) as running:
        for _ in range(20):
            if ending == "refused":
                fake.fail(429, retry_after=0)
                running.service.chat.breakers.clear()
                assert running.chat(stream=True).status_code == 429
            else:
                fake.tokens(["a", "b"]).step().release(1)
                with asking(running.url, STREAM) as connection:
                    read_until(connection, b'"content":"a"')
        running.service.chat.breakers.clear()
        fake.reply("still here")
        assert running.chat().json()["choices"][0]["message"]["content"] == "still here"


# Providers that fail.


def statuses(words: str) -> tuple[int, ...]:
    """What a caller may get: the status, or 200 where the fault comes later or is none."""
    match words.split()[0]:
        case "429":
            return (429,)
        case "401" | "500" | "html":
            return (502,)
        case "503":
            return (503,)
        case "529":
            return (200, 503)
        case "disconnect" | "hang":
            return (200, 502, 504)
        case "cut" | "garble":
            return (200, 502, 504)
    return (200,)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("words", FAULTS)
def test_each_fault_ends_and_tells_and_leaks_nothing(running: Running, fake: MockLLM, words: str, stream: bool) -> None:
    script = script_from_words(words.replace("first_token_s=3 cadence_s=0.5", "first_token_s=0.1"), fake.script())
    if script.failure:
        script_from_words(f"{words} message='{SECRET.replace(chr(39), '')}'", fake.script())
        fake._queue.pop(0)
    answer = running.chat(stream=stream)
    assert answer.status_code in statuses(words)
    assert "own words" not in answer.text
    assert "<html" not in answer.text
    if answer.status_code == 200 and stream:
        assert answer.text.endswith("data: [DONE]\n\n")
        broken = '"code":"stream_broken"' in answer.text
        assert broken == (words.split()[0] in ("529", "hang", "cut", "garble"))
    if answer.status_code != 200:
        error = answer.json()["error"]
        assert error["message"]
        assert error["type"]
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
    if words == "429 retry_after=2":
        assert answer.headers["retry-after"] == "2"


def test_row_4_a_stream_that_breaks_off_is_no_success_to_the_official_client(running: Running, fake: MockLLM) -> None:
    for reset in (False, True):
        fake.tokens(["a", "b", "c", "d"]).cut(after=3, reset=reset)
        seen: list[str] = []
        with OpenAI(api_key="demo", base_url=f"{running.url}/v1", max_retries=0) as client:
            stream = client.chat.completions.create(model="mock-large", messages=HELLO, stream=True)  # type: ignore[call-overload]
            with pytest.raises(APIError) as broken:
                seen.extend(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert "".join(seen) in ("", "abc")  # a generator in extend() loses what it had when it raises
        assert broken.value.code == "stream_broken"


def test_row_4_the_body_of_a_broken_stream_ends_as_http_wants_it(running: Running, fake: MockLLM) -> None:
    fake.tokens(["a", "b", "c", "d"]).cut(after=3, reset=True)
    with asking(running.url, STREAM) as connection:
        said = read_until(connection, b"0\r\n\r\n")
    assert said.count(b'"content":"') == 4  # three tokens, and the empty one at the start
    assert said.index(b"stream_broken") < said.index(b"data: [DONE]")


def test_a_provider_that_refuses_a_request_is_not_asked_again_and_is_no_fault_of_ours(
    running: Running, fake: MockLLM, caplog: pytest.LogCaptureFixture
) -> None:
    fake.fail(400, message=SECRET)
    answer = running.chat()
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "refused_by_provider"
    assert len(fake.requests) == 1
    assert "openai answered 400 invalid_request_error" in caplog.text, "whoever runs the service has to know"
    fake.fail(400, message=SECRET, code="context_length_exceeded")
    answer = running.chat()
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    assert SECRET not in answer.text
    assert SECRET not in caplog.text, "it may quote the prompt"


# Retries.


def test_row_28_only_one_layer_retries_and_retry_after_is_heeded_and_passed_on(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake, retries=2, retry_budget_s=5) as running:
        fake.fail(429, retry_after=0.2, times=2)
        started = time.monotonic()
        assert running.chat().status_code == 200
        assert len(fake.requests) - 1 == 3  # the list of models was asked for first
        assert time.monotonic() - started > 0.4, "it did not wait as long as it was asked to"

        fake.fail(429, retry_after=60, times=5)
        answer = running.chat()
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "60"
        assert len(fake.requests) - 1 == 4, "a minute is more than the budget, so trying again is no use"


def test_row_28_all_requests_together_do_not_try_more_often_than_the_budget_has(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake, retries=3, retry_budget_s=60) as running:
        running.service.chat.budget.left = running.service.chat.budget.most = 5.0
        breaker = running.service.chat._breaker(running.service.providers.of_model["mock-large"])
        breaker.failures = 10**6
        fake.default.fail(503, retry_after=0)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: running.chat().status_code, range(20)))
        assert set(answers) == {503}
        calls = [one for one in fake.requests if one.path.endswith("completions")]
        assert 20 <= len(calls) <= 20 + 5 + 20 * 0.2 + 1


def test_a_provider_that_fails_again_and_again_is_left_alone(tmp_path: Path) -> None:
    fake = MockLLM(settle_turns=0)
    with capstone(tmp_path, fake, retries=0) as running:
        fake.default.fail(500)
        for _ in range(8):
            running.chat()
        assert len([one for one in fake.requests if one.path.endswith("completions")]) == 5
        answer = running.chat()
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 1


# Readers who do not read.


class Firehose(socketserver.BaseRequestHandler):
    """A provider that writes an endless answer as fast as it is taken."""

    sent, writing = 0, 0

    def handle(self) -> None:
        head = self.request.recv(65_536)
        kind = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
        if head.startswith(b"GET"):
            models = b'{"data":[{"id":"mock-large"}]}'
            self.request.sendall(kind % b"application/json" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(models), models))
            return
        frame = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % (b"x" * 50_000)
        self.request.sendall(kind % b"text/event-stream")
        Firehose.writing += 1
        with suppress(OSError):
            while True:
                self.request.sendall(b"%x\r\n%s\r\n" % (len(frame), frame))
                Firehose.sent += len(frame)
        Firehose.writing -= 1


def test_row_31_a_reader_who_never_reads_holds_little_memory(tmp_path: Path) -> None:
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Firehose) as provider, ExitStack() as stack:
        threading.Thread(target=provider.serve_forever, daemon=True).start()
        stack.callback(provider.shutdown)
        url = f"http://127.0.0.1:{provider.server_address[1]}/v1"
        service = stack.enter_context(serve(tmp_path / "data", OPENAI_BASE_URL=url, OPENAI_API_KEY="sk-mock"))
        for _ in range(5):
            with asking(service.url, STREAM) as connection:
                read_until(connection, b"xxx", times=100_000)
        wait_for(lambda: not Firehose.writing, "the readers have left, and the provider still writes: it never pauses")
        before = service.memory
        for _ in range(5):
            stack.enter_context(asking(service.url, STREAM))
        sent = -1
        while sent != (sent := Firehose.sent):  # until the provider too is held up, by the sockets' own buffers
            time.sleep(0.2)
        assert service.memory - before < 5 * 4_000_000


# Traces.


def test_row_29_fifty_aborted_streams_with_tracing_on(tmp_path: Path) -> None:
    """No error of contexts in the log, and a span ends when its stream does."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from capstone.services import tracing

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    fake = MockLLM(settle_turns=0)
    before, tracing.TRACER = tracing.TRACER, provider.get_tracer("test")
    try:
        with capstone(tmp_path, fake) as running:
            running.app._native_telemetry.config["tracer_provider"] = provider
            fake.default.tokens(["a", "b"]).step().release(50)

            def abort(_: int) -> None:
                with asking(running.url, STREAM) as connection:
                    read_until(connection, b"data: ")

            threads = [threading.Thread(target=abort, args=(n,)) for n in range(50)]
            for one in threads:
                one.start()
            for one in threads:
                one.join(20)
            wait_for(lambda: len(running.usage()) >= 50, "usage is missing")
            fake.forget_scripts()
            fake.reply("hello")
            running.chat()
            wait_for(
                lambda: sum(one.name == "POST /v1/chat/completions" for one in kept.get_finished_spans()) == 51,
                "a span has not ended",
            )
    finally:
        tracing.TRACER = before
    spans = [one for one in kept.get_finished_spans() if one.name == "chat mock-large"]
    assert len(spans) == 51
    told = dict(spans[-1].attributes or {})
    assert told["gen_ai.request.model"] == "mock-large"
    assert told["gen_ai.provider.name"] == "openai"
    assert told["gen_ai.usage.output_tokens"] == 1
    assert "context" not in running.log.getvalue().lower()
    assert "Traceback" not in running.log.getvalue()

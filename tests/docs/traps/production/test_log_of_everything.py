"""What a log line tells about people. The three sections are shown on the page of lesson 06."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    yield io.StringIO()
    structlog.reset_defaults()


def ask_model(messages: list[dict[str, str]], api_key: str) -> None:
    raise TimeoutError("no answer in 60 s")


def broken(stream: io.StringIO) -> Callable[[], None]:
    # --8<-- [start:broken]
    structlog.configure(
        processors=[structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    log = structlog.get_logger()

    def create_chat() -> None:
        try:
            ask_model([{"role": "user", "content": "I have asthma"}], api_key="sk-live-4242")
        except TimeoutError:
            log.exception("no answer")

    # --8<-- [end:broken]
    return create_chat


PRIVATE = {"messages", "prompt", "content", "api_key", "authorization"}


def repaired(stream: io.StringIO) -> Callable[[], None]:
    # --8<-- [start:repaired]
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)

    def redact(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: "[redacted]" if key in PRIVATE else redact(one) for key, one in value.items()}
        return [redact(one) for one in value] if isinstance(value, list) else value

    structlog.configure(
        processors=[
            structlog.processors.ExceptionRenderer(tracebacks),
            lambda _, __, event: redact(event),  # behind the traceback
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    log = structlog.get_logger()

    def create_chat() -> None:
        messages = [{"role": "user", "content": "I have asthma"}]
        try:
            ask_model(messages, api_key="sk-live-4242")
        except TimeoutError:
            log.exception("no answer", body={"model": "mock-large", "messages": messages})

    # --8<-- [end:repaired]
    return create_chat


def test_a_traceback_as_data_has_every_variable(stream: io.StringIO) -> None:
    create_chat = broken(stream)
    # --8<-- [start:seen]
    create_chat()  # one timeout
    line = stream.getvalue()
    assert "I have asthma" in line
    assert "sk-live-4242" in line
    # --8<-- [end:seen]


def test_functions_and_model_are_there_and_nobody_is(stream: io.StringIO) -> None:
    repaired(stream)()
    line = json.loads(stream.getvalue())
    assert "ask_model" in json.dumps(line["exception"])
    assert line["body"]["model"] == "mock-large"
    assert "asthma" not in stream.getvalue()
    assert "4242" not in stream.getvalue()


def test_the_access_log_writes_whole_urls(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "uvicorn.access")
    line = '%s - "%s %s HTTP/%s" %d'  # as uvicorn has it
    logging.getLogger("uvicorn.access").info(line, "10.0.0.9", "POST", "/chat?prompt=I+have+asthma", "1.1", 200)
    assert "asthma" in caplog.text

"""Traces: FastAPI makes a span for each request, and this one for each call of a model that the request leads to.

What stands on it are the names of OpenTelemetry's conventions for generative AI; never a prompt, an answer or a key.
Where nobody has set up an exporter, all of it costs a microsecond.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

import os
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from capstone.parts import production

TRACER = trace.get_tracer("capstone")
REQUEST_ID = "capstone.request_id"
CALL: ContextVar[Span | None] = ContextVar("CALL", default=None)  # the call that is being made, if it is traced
OPTIONS = {  # of a request: numbers and names that are no text of anybody's
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "stream": "gen_ai.request.stream",
    "dimensions": "gen_ai.embeddings.dimension.count",
}


def let_the_environment_decide() -> None:
    """Let FastAPI send traces and numbers wherever OpenTelemetry's own variables say; without them, nowhere.

    Its log is left out: our lines are cleared of prompts and keys, and the text of an exception is not.
    """
    os.environ.setdefault("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    os.environ.setdefault("OTEL_LOGS_EXPORTER", "none")
    if "service.name=" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        os.environ.setdefault("OTEL_SERVICE_NAME", "capstone")


def where() -> str | None:
    """Return who is sent traces, None if nobody is."""
    url = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return urlsplit(url).hostname if url else None


def tell_the_request(caller: str | None) -> None:
    """Write on the span of a request by which id its log line is found, and who asks."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute(REQUEST_ID, production.REQUEST_ID.get())
        if caller:
            span.set_attribute("capstone.caller", caller)


def trace_id() -> str | None:
    """Return the id of the trace that is being made, None if there is none."""
    span = trace.get_current_span()
    return trace.format_trace_id(span.get_span_context().trace_id) if span is not trace.INVALID_SPAN else None


def start(used: Any, body: Mapping[str, Any]) -> Span:
    """Begin the span of a call, if anybody traces. It is in no context, so a stream may end it anywhere."""
    operation = "embeddings" if used.kind == "embedding" else "chat"
    span = TRACER.start_span(f"{operation} {used.model}", kind=SpanKind.CLIENT)
    if span.is_recording():
        CALL.set(span)
        span.set_attribute("gen_ai.operation.name", operation)
        span.set_attribute("gen_ai.request.model", used.model)
        span.set_attribute(REQUEST_ID, used.request_id)
        span.set_attribute("capstone.kind", used.kind)
        for option, name in OPTIONS.items():
            if (value := body.get(option)) is not None:
                span.set_attribute(name, value)
    return span


def ask(provider: Any) -> None:
    """Write down whom the call goes to."""
    if span := CALL.get():
        span.set_attribute("gen_ai.provider.name", provider.name)
        place = urlsplit(provider.url)
        span.set_attribute("server.address", place.hostname or "")
        span.set_attribute("server.port", place.port or (443 if place.scheme == "https" else 80))


def failed(provider: str, error: Any) -> None:
    """Write down that a provider gave no answer; another try may."""
    if span := CALL.get():
        told = {"gen_ai.provider.name": provider, "error.type": kind_of(error)}
        span.add_event("capstone.provider_failed", told)


def end(span: Span, used: Any) -> None:
    """End the span of a call: what was said about the answer, and what it cost."""
    if span.is_recording():
        CALL.set(None)
        span.set_attribute("gen_ai.usage.input_tokens", used.prompt_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", used.completion_tokens)
        for name, value in answered(used.said or {}).items():
            span.set_attribute(name, value)
        if used.first_s is not None:
            span.set_attribute("gen_ai.response.time_to_first_chunk", used.first_s)
        if used.outcome != "done":
            span.set_attribute("error.type", used.trouble or "client_left")
            span.set_status(StatusCode.ERROR)
    span.end()


def answered(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an answer in OpenAI's shape, or of the last chunk of one, is no text."""
    choices = said.get("choices")
    found: list[Any] = choices if isinstance(choices, list) else []
    reasons = [one.get("finish_reason") for one in found if isinstance(one, dict)]
    told = {
        "gen_ai.response.id": said.get("id"),
        "gen_ai.response.model": said.get("model"),
        "gen_ai.response.finish_reasons": [one for one in reasons if isinstance(one, str)],
    }
    return {name: value for name, value in told.items() if value and isinstance(value, str | list)}


def kind_of(error: BaseException) -> str:
    """Return a word for an error, of few: a provider's status, or the name of the exception."""
    status = getattr(error, "status", None)
    return str(status) if status else type(error).__name__


def passed_on(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers with which the trace goes on at the provider: vLLM, a gateway, whoever takes part in it.

    No baggage: that is what others have told us, and none of a provider's business.
    """
    if (span := CALL.get()) is None:
        return headers
    carried = dict(headers)
    TraceContextTextMapPropagator().inject(carried, trace.set_span_in_context(span))
    return carried

"""What lesson 03 promises. A fake provider answers; it says no as the real ones do, and remembers who called when.

Nothing here waits by the clock. That calls run together is proved by holding all of them back until they have come;
waits between calls run on a virtual clock (`looptime`); a free event loop is proved by letting it release what blocks.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import httpx2 as httpx
import pytest
from fastapi import Depends, FastAPI, Request

from mockllm import MockLLM
from mockllm.exchange import LoopBlocked

from . import app as lesson

ANTHROPIC = "https://anthropic.test"
OPENAI = "https://openai.test/v1"
PATIENCE_S = 3.0  # how long a wrong answer is waited for; a right one never waits


def settings(**changed: Any) -> Any:
    """The lesson's settings, with the fake's addresses."""
    known = {"anthropic_url": ANTHROPIC, "anthropic_key": "sk-ant-1", "openai_url": OPENAI, "openai_key": "sk-1"}
    return lesson.Settings(**{**known, **changed})


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    """No certificates, since to load them takes longer than most of these tests, and no proxy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(Path(__file__).parent))
        patch.setenv("NO_PROXY", "*")
        yield


@pytest.fixture
def provider(llm: MockLLM) -> MockLLM:
    """The fake provider, at the addresses of `settings()`."""
    llm.also_at(ANTHROPIC)
    llm.also_at(OPENAI)
    return llm


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client as the lifespan would hand it out; what it sends can be told by a header."""
    async with httpx.AsyncClient(headers={"x-client": "the shared one"}) as client:
        yield client


def said(content: str, role: Any = "user") -> Any:
    """One message."""
    return lesson.Message(role=role, content=content)


def shown(reply: Any) -> dict[str, Any]:
    """A Reply as plain data: real texts and numbers, whoever made them."""
    usage = [reply.usage.prompt_tokens, reply.usage.completion_tokens]
    fields = {"text": reply.text, "model": reply.model, "finish_reason": reply.finish_reason, "usage": usage}
    return json.loads(json.dumps(fields))


def inside(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an error is of this kind, or a group in which one is."""
    if isinstance(error, BaseExceptionGroup):
        return any(inside(one, kind) for one in error.exceptions)
    return isinstance(error, kind)


async def failure(call: Awaitable[Any], what: str) -> Any:
    """The LLMError that `call` ends with."""
    try:
        answer = await call
    except lesson.LLMError as error:
        return error
    except (httpx.HTTPError, LookupError, TypeError, ValueError, AttributeError) as error:
        pytest.fail(
            f"{what}: {type(error).__name__} came through ({error}). "
            "Whoever asks an LLM knows one error, LLMError, and none of the provider's or of httpx."
        )
    pytest.fail(f"{what}: no LLMError was raised, the call returned {answer!r}. Was the status looked at?")


async def called(llm: MockLLM, task: "asyncio.Future[Any]", n: int = 1) -> None:
    """Wait until `n` calls in all have come to the provider; what `task` raises before that is raised here."""
    words = f"waited for {n} calls at the provider, but they did not come"
    coming = asyncio.ensure_future(
        llm.until(lambda: len(llm.requests) >= n, f"{words}: {len(llm.requests)}", PATIENCE_S)
    )
    await asyncio.wait({task, coming}, return_when=asyncio.FIRST_COMPLETED)
    if not coming.done():
        coming.cancel()
        pytest.fail(f"{words}; the work ended before with {task.result()!r}")
    await coming


async def cancelled(task: "asyncio.Future[Any]", what: str) -> None:
    """Cancel a task and see that it ends in that way."""
    task.cancel()
    await asyncio.wait({task}, timeout=PATIENCE_S)
    assert task.done(), f"{what} was cancelled, and goes on. A bare `except:` swallows CancelledError."
    ended = "CancelledError" if task.cancelled() else repr(task.exception() or task.result())
    assert task.cancelled(), (
        f"{what} was cancelled, and ended with {ended}. CancelledError means stop, now: whoever catches it "
        "(`except BaseException`, a bare `except:`) and does not raise it again breaks every timeout."
    )


def service(**overrides: Callable[..., Any]) -> FastAPI:
    """The learner's application, with other dependencies: `get_http=lambda: http`."""
    app = lesson.create_app(settings())
    for name, replacement in overrides.items():
        app.dependency_overrides[getattr(lesson, name)] = replacement
    return app


@asynccontextmanager
async def caller_of(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application in this event loop."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service.test") as caller:
        yield caller


# 03.1


async def in_service(*uses: Callable[[httpx.AsyncClient], Awaitable[Any]], **changed: Any) -> list[Any]:
    """Start the service, `await use(client)` in one request each, stop it; return what they returned."""
    app = lesson.create_app(settings(**changed))
    results: list[Any] = []

    @app.get("/probe/{n}")
    async def probe(n: int, client: Annotated[Any, Depends(lesson.get_http)]) -> None:
        results.append(await uses[n](client))

    async with app.router.lifespan_context(app) as yielded:  # as a server starts and stops it

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(yielded or {})}, receive, send)

        async with caller_of(with_state) as caller:
            for n in range(len(uses)):
                await caller.get(f"/probe/{n}")
    assert len(results) == len(uses), "requests that ask for get_http were not served"
    return results


async def itself(client: Any) -> Any:
    """The client that a request got."""
    assert isinstance(client, httpx.AsyncClient), f"get_http returned {client!r}, not an httpx.AsyncClient"
    return client


async def is_open(client: Any) -> bool:
    """Whether the client that a request got can be used."""
    return not (await itself(client)).is_closed


@pytest.mark.task(1)
async def test_every_request_gets_the_same_client() -> None:
    """A client costs 20 ms to build and a TLS handshake to use: per request it is the slowest line of the service."""
    first, second = await in_service(itself, itself)

    assert first is second, (
        "Two requests got two clients. A client per request throws away the pool of connections: "
        "each call pays for a new client, a new connection and a new handshake."
    )


@pytest.mark.task(1)
async def test_the_client_is_open_in_every_run_of_the_service_and_closed_after() -> None:
    """A client that nobody closes leaks sockets; one made at import is closed for good after the first test."""
    runs = [await in_service(is_open, itself), await in_service(is_open, itself)]

    assert [run[0] for run in runs] == [True, True], (
        f"The service was started and stopped twice; in the two runs the client was open: {[run[0] for run in runs]}. "
        "A client made at import lives for one run only: open it in the lifespan."
    )
    assert [run[1].is_closed for run in runs] == [True, True], (
        f"After the two runs the client was closed: {[run[1].is_closed for run in runs]}. "
        "Nobody closes it: `async with` around the lifespan's yield does."
    )


@pytest.mark.task(1)
async def test_each_of_the_four_timeouts_is_set() -> None:
    """A model may think for a minute; a provider that cannot be reached in three seconds is down."""
    (client,) = await in_service(itself, connect_s=1.5, write_s=2.5, read_s=42.0, pool_s=3.5)

    timeout = client.timeout
    seen = json.dumps([timeout.connect, timeout.write, timeout.read, timeout.pool])
    assert seen == "[1.5, 2.5, 42.0, 3.5]", (
        f"connect, write, read, pool should be 1.5, 2.5, 42.0, 3.5 seconds, and are {seen}. "
        "One number for all means waiting as long for a dead host as for a long answer; 5.0 is httpx's default."
    )


@pytest.mark.task(1)
async def test_no_more_connections_than_the_settings_allow() -> None:
    """A provider shuts out whoever opens too many; where you set no limit, httpx opens up to 100."""

    async def peak_of_four(client: httpx.AsyncClient) -> int:
        open_now = peak = 0
        two, go = asyncio.Event(), asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal open_now, peak
            open_now += 1
            peak = max(peak, open_now)
            if open_now == 2:
                two.set()
            await reader.readuntil(b"\r\n\r\n")
            await go.wait()
            open_now -= 1
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            calls = [asyncio.ensure_future(client.get(url)) for _ in range(4)]
            async with asyncio.timeout(PATIENCE_S):
                await two.wait()
            for _ in range(50):  # a third connection would come now
                await asyncio.sleep(0)
            go.set()
            await asyncio.gather(*calls)
        return peak

    (peak,) = await in_service(peak_of_four, max_connections=2)

    assert type(peak) is int and peak == 2, f"max_connections=2, four calls at once, and {peak} connections were open."


# 03.2


def claude(http: httpx.AsyncClient, **changed: Any) -> Any:
    """Anthropic behind the port, as the learner wrote it."""
    return lesson.AnthropicLLM(http, settings(**changed))


async def asked(llm: MockLLM, call: Awaitable[Any]) -> Any:
    """The reply to a call that must have gone to the fake through httpx."""
    try:
        reply = await call
    except OSError as error:
        pytest.fail(
            f"{type(error).__name__}: the call did not come to the provider through `http`. "
            "requests and urllib have no await: they block the event loop, and meanwhile nobody else is served."
        )
    assert llm.requests, "generate() returned, and the provider was not called"
    return reply


@pytest.mark.task(2)
async def test_the_request_is_what_the_api_wants_today(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """Tutorials send what the API wanted in 2023: it answers 400, and says why."""
    provider.default.reply("Hello")
    reply = await asked(
        provider, claude(http).generate([said("Hi"), said("Yes?", "assistant"), said("Why?")], max_tokens=99)
    )

    sent = provider.last
    assert shown(reply)["text"] == "Hello", f"the provider said 'Hello', the reply says {shown(reply)}"
    assert (sent.method, sent.url) == ("POST", f"{ANTHROPIC}/v1/messages"), f"sent was {sent.method} {sent.url}"
    assert sent.headers.get("authorization") == "Bearer sk-ant-1", (
        f"the header authorization was {sent.headers.get('authorization')!r}, not 'Bearer ' and the key of the settings"
    )
    assert sent.headers.get("anthropic-version") == "2026-10-21", (
        f"the header anthropic-version was {sent.headers.get('anthropic-version')!r}, not 2026-10-21"
    )
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    expected = {"model": "mock-large", "max_tokens": 99, "messages": [*turns, {"role": "user", "content": "Why?"}]}
    assert {key: sent.json.get(key) for key in expected} == expected, f"the body was {sent.json}, not {expected}"
    assert {"temperature", "top_p", "top_k"}.isdisjoint(sent.json), (
        f"temperature, top_p and top_k are gone from this version, and each is a 400; the body was {sent.json}"
    )


@pytest.mark.task(2)
async def test_two_calls_are_under_way_at_once(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """One blocking client in one `async def`, and the whole service answers one caller at a time."""
    gate = provider.hold()
    both = asyncio.ensure_future(
        asyncio.gather(*(asked(provider, claude(http).generate([said(text)])) for text in ("one", "two")))
    )
    await called(provider, both, 2)
    gate.open()
    replies = [shown(reply)["text"] for reply in await both]

    assert replies == ["Mock answer to: one", "Mock answer to: two"], f"two calls at once were answered {replies}"
    assert {call.headers.get("x-client") for call in provider.requests} == {"the shared one"}, (
        "The calls did not go out through `http`, the process's one client, but through a client per request."
    )


@pytest.mark.task(2)
async def test_the_system_prompt_goes_to_the_top(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """OpenAI's `system` is a message, Anthropic's a field: code that moves from one to the other breaks here."""
    turns = [said("Be brief.", "system"), said("Be kind.", "system"), said("Why?")]
    await asked(provider, claude(http).generate(turns))
    system, messages = provider.last.json.get("system"), provider.last.json["messages"]

    await asked(provider, claude(http).generate([said("Why?")]))

    assert system == "Be brief.\n\nBe kind.", (
        f"system was {system!r}, not both system prompts with a blank line between"
    )
    assert messages == [{"role": "user", "content": "Why?"}], f"messages were {messages}: the user's alone was expected"
    assert "system" not in provider.last.json, f"without a system prompt there is no `system`: {provider.last.json}"


@pytest.mark.task(2)
@pytest.mark.parametrize(
    ("content", "stop_reason", "text", "finish_reason"),
    [
        ([{"type": "text", "text": "Hi"}], "end_turn", "Hi", "stop"),
        (
            [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            "max_tokens",
            "ab",
            "length",
        ),
        ([{"type": "tool_use", "id": "t1", "name": "look", "input": {}}], "tool_use", "", "tool_calls"),
        ([], "refusal", "", "content_filter"),
        ([{"type": "text", "text": "Hi"}], "something_new", "Hi", "stop"),
    ],
    ids=["text", "thinking-first", "tool-only", "refusal", "unknown-reason"],
)
async def test_the_reply_is_normalized(
    provider: MockLLM, content: list[Any], stop_reason: str, text: str, finish_reason: str
) -> None:
    """`answer["content"][0]["text"]` holds until the model thinks, calls a tool, or refuses."""
    body = {"id": "m1", "type": "message", "role": "assistant", "model": "mock-large-7", "content": content}
    body |= {"stop_reason": stop_reason, "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 4}}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=body))
    async with httpx.AsyncClient(transport=transport) as client:
        try:
            reply = shown(await claude(client).generate([said("Why?")]))
        except (LookupError, lesson.LLMError) as error:
            pytest.fail(
                f"content {content} gave {type(error).__name__}: {error}. "
                "Content is a list of blocks of several types, and may be empty: join the text of those that have some."
            )

    expected = {"text": text, "model": "mock-large-7", "finish_reason": finish_reason, "usage": [3, 4]}
    assert reply == expected, f"content {content} and stop_reason {stop_reason} gave {reply}, not {expected}"


@pytest.mark.task(2)
async def test_an_error_status_becomes_one_kind_of_error(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """Without a look at the status an error's body is taken for an answer: KeyError, three functions later."""
    for status in (400, 401, 413, 429, 500, 529):
        provider.fail(status, message=f"No, says {status}.", retry_after=1.5 if status == 429 else None)

        error = await failure(claude(http).generate([said("Why?")]), f"the provider answered {status}")

        seen = json.dumps([error.status, error.retry_after_s, str(error)])
        expected = [status, 1.5 if status == 429 else None, f"No, says {status}."]
        assert json.loads(seen)[:2] == expected[:2], f"status and retry_after_s should be {expected[:2]}: {seen}"
        assert f"No, says {status}." in str(error), f"the provider's own words are lost: {seen}"


@pytest.mark.task(2)
async def test_a_proxys_page_and_half_an_answer_are_errors_too(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """Between you and the model stand proxies, and they speak HTML."""
    provider.html(502)
    page = await failure(claude(http).generate([said("Why?")]), "a proxy answered 502 with an HTML page")
    provider.garble()
    half = await failure(claude(http).generate([said("Why?")]), "the answer was 200 with half a JSON document")

    assert json.dumps([page.status, half.status]) == "[502, null]", (
        f"a proxy's 502 should have the status 502, half an answer None; they have {page.status} and {half.status}."
    )


def claude_says(status: int, text: str) -> Any:
    """Anthropic behind the port, whose provider always answers this."""
    kind = "text/html" if text.startswith("<") else "application/json"
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text=text, headers={"content-type": kind}))
    return claude(httpx.AsyncClient(transport=transport, timeout=None))


@pytest.mark.task(2)
@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"content": null}'])
async def test_json_that_is_no_answer_is_an_error(body: str) -> None:
    """What can be parsed is not yet an answer: gateways say 200 to things that failed."""
    error = await failure(claude_says(200, body).generate([said("Why?")]), f"the answer was 200 {body}")

    assert error.status is None, f"the answer was 200 {body}: the status should be None, and is {error.status!r}"


@pytest.mark.task(2)
@pytest.mark.parametrize(
    ("status", "body"),
    [(503, '{"error": "busy"}'), (503, '{"detail": "no"}'), (503, "[]"), (302, "<html>Log in</html>")],
)
async def test_whatever_is_not_200_keeps_its_status(status: int, body: str) -> None:
    """The status decides about the retry: it must not get lost with a body that nobody expected."""
    error = await failure(claude_says(status, body).generate([said("Why?")]), f"the answer was {status} {body}")

    assert type(error.status) is int and error.status == status, (
        f"the answer was {status} {body}: that should be the error's status, which is {error.status!r}. "
        "Whatever is not 200 is a no, 302 as well (is_error begins at 400), and its body may be anything."
    )


@pytest.mark.task(2)
@pytest.mark.looptime
async def test_no_answer_is_an_error_without_a_status(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """Timeouts and resets are the most common failures of all, and have no status."""
    http.timeout = httpx.Timeout(10)
    for script, what in ((provider.disconnect, "the connection was reset"), (provider.hang, "no answer came in time")):
        script()
        error = await failure(claude(http).generate([said("Why?")]), what)
        assert error.status is None, f"{what}: the status should be None, and is {error.status!r}"


@pytest.mark.task(2)
async def test_a_cancelled_call_is_cancelled_and_no_error(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """Turn CancelledError into an LLMError, and the call is retried and paid for after its caller has left."""
    provider.hang()
    call = asyncio.ensure_future(claude(http).generate([said("Why?")]))
    await called(provider, call)

    await cancelled(call, "generate()")

    assert provider.cancelled == [provider.last], "generate() ended, but its call to the provider is still open"


# 03.3


@asynccontextmanager
async def openai_caller(http: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of the learner's service, whose one client is `http`."""
    async with caller_of(service(get_http=lambda: http)) as caller:
        yield caller


ASK = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}], "max_tokens": 50}


async def posted(caller: httpx.AsyncClient, what: str) -> httpx.Response:
    """The response of POST /openai/generate, whatever the provider did."""
    try:
        return await caller.post("/openai/generate", json=ASK)
    except NotImplementedError:
        raise
    except Exception as error:
        pytest.fail(
            f"{what}: {type(error).__name__} came out of the service. "
            "Callers of the port know LLMError, and none of the official client's errors."
        )


@pytest.mark.task(3)
async def test_the_same_port_answers_on_openais_api(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """Two providers behind one port is what lets you leave either."""
    provider.reply("Because it is.")
    async with openai_caller(http) as caller:
        response = await caller.post("/openai/generate", json=ASK)

    usage = {"prompt_tokens": 3, "completion_tokens": 3}
    expected = {"text": "Because it is.", "model": "mock-large", "finish_reason": "stop", "usage": usage}
    assert (response.status_code, response.text and response.json()) == (200, expected), (
        f"POST /openai/generate answered {response.status_code} {response.text}, not {expected}"
    )
    sent = provider.last
    assert sent.url == f"{OPENAI}/chat/completions", f"the call went to {sent.url}, not to openai_url of the settings"
    assert sent.key == "sk-1", f"the key was {sent.key!r}, not openai_key of the settings"
    assert "OpenAI" in sent.headers.get("user-agent", ""), f"not the official client: {sent.headers.get('user-agent')}"
    assert sent.json["messages"] == ASK["messages"], f"here a system prompt is a message: {sent.json['messages']}"
    assert sent.json.get("max_completion_tokens") == 50, (
        f"max_completion_tokens should be the Prompt's 50, and is {sent.json.get('max_completion_tokens')}; "
        f"the body had {sorted(sent.json)}. max_tokens is its old name, which reasoning models refuse."
    )


@pytest.mark.task(3)
async def test_all_calls_go_through_the_process_s_one_client(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """The official client brings a pool of its own, waits 600 s for an answer, and is closed by nobody."""
    async with openai_caller(http) as caller:
        statuses = [(await caller.post("/openai/generate", json=ASK)).status_code for _ in range(3)]

    through = [call.headers.get("x-client", "another one") for call in provider.requests]
    assert statuses == [200] * 3, f"three requests were answered {statuses}"
    assert through == ["the shared one"] * 3, (
        f"three calls went out through {through}. AsyncOpenAI() without http_client opens connections of its own; "
        "made in the route it is a new client per request."
    )


@pytest.mark.task(3)
async def test_the_model_is_injected(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """What a route builds itself no test can replace, and no second provider either."""

    class Canned:
        async def generate(self, messages: Any, *, max_tokens: int = 1024) -> Any:
            usage = lesson.Usage(prompt_tokens=1, completion_tokens=max_tokens)
            return lesson.Reply(text=messages[-1].content, model="canned", finish_reason="stop", usage=usage)

    async with caller_of(service(get_openai=Canned, get_http=lambda: http)) as caller:
        response = await caller.post("/openai/generate", json=ASK)

    usage = {"prompt_tokens": 1, "completion_tokens": 50}
    expected = {"text": "Why?", "model": "canned", "finish_reason": "stop", "usage": usage}
    assert response.status_code == 200 and response.json() == expected, (
        f"get_openai was overridden, and POST /openai/generate answered {response.status_code} {response.text}, "
        f"not {expected}. The route takes the model as Annotated[LLM, Depends(get_openai)]."
    )


@pytest.mark.task(3)
async def test_only_one_layer_retries(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """Two retries of the SDK inside three of yours are twelve calls in the worst minute of the provider's day."""
    provider.fail(500, retry_after=0.001, times=5)
    async with openai_caller(http) as caller:
        await posted(caller, "the provider answered 500")

    assert len(provider.requests) == 1, (
        f"one request made {len(provider.requests)} calls. The official client retries twice unless told not to."
    )


@pytest.mark.task(3)
async def test_the_official_clients_errors_become_ours(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """An error of the SDK in a handler above the port means that the port leaks."""
    cases = {429: (429, "1"), 400: (502, None), 529: (503, None)}
    async with openai_caller(http) as caller:
        for status, expected in cases.items():
            provider.fail(status, message=f"No, says {status}.", retry_after=1 if status == 429 else None)
            response = await posted(caller, f"the provider answered {status}")
            seen = (response.status_code, response.headers.get("retry-after"))
            assert seen == expected and f"No, says {status}." in response.text, (
                f"the provider answered {status}, the service {seen} {response.text}; expected {expected} and the "
                "provider's words. LLMError carries status and retry_after_s; answer_llm_error makes this of them."
            )
        for script, what in ((provider.disconnect, "the connection was reset"), (provider.garble, "half a document")):
            script()
            response = await posted(caller, what)
            assert response.status_code == 504, f"{what}: an LLMError without status is a 504, not {response.text}"


@pytest.mark.task(3)
async def test_a_200_that_is_no_answer_is_an_error_too() -> None:
    """The official client believes what it is told: a page becomes a str, and a missing field None."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    whole = {"id": "c1", "object": "chat.completion", "created": 1, "model": "mock-large"}
    bodies: dict[str, Any] = {
        "choices: []": {**whole, "choices": [], "usage": usage},
        "no usage": {**whole, "choices": [choice]},
        "an HTML page": "<html>Log in</html>",
    }
    for what, body in bodies.items():
        page = httpx.Response(200, html=body) if isinstance(body, str) else httpx.Response(200, json=body)
        transport = httpx.MockTransport(lambda _, page=page: page)
        async with httpx.AsyncClient(transport=transport) as client, openai_caller(client) as caller:
            response = await posted(caller, f"the provider answered 200 with {what}")
        assert response.status_code == 504, (
            f"the provider answered 200 with {what}, and the service {response.status_code} {response.text}. "
            "An answer that cannot be read is an LLMError without a status, which is a 504."
        )


@pytest.mark.task(3)
async def test_content_may_be_missing(provider: MockLLM, http: httpx.AsyncClient) -> None:
    """`content` is None when the model refuses or calls a tool, and None is no text."""
    provider.refuse("I would rather not.")
    provider.tool_call("look")
    async with openai_caller(http) as caller:
        answers = [await caller.post("/openai/generate", json=ASK) for _ in range(2)]

    for answer, expected in zip(answers, (("I would rather not.", "content_filter"), ("", "tool_calls")), strict=True):
        assert answer.status_code == 200, (
            f"content was None, and the service answered {answer.status_code} {answer.text}"
        )
        seen = (answer.json().get("text"), answer.json().get("finish_reason"))
        assert seen == expected, f"text and finish_reason should be {expected}, and are {seen}"


# 03.4


class Model:
    """An LLM over the fake's wire, right as it is: so 03.4 and what follows can be done before 03.2."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def generate(self, messages: Any, *, max_tokens: int = 1024) -> Any:
        """Answer the only message, or raise an LLMError; "bug" is a bug."""
        content = next(one.content for one in messages if one.role == "user")
        body = {"model": "mock-large", "messages": [{"role": "user", "content": content}]}
        key = {"authorization": "Bearer sk-1"}
        answer = await self.http.post(f"{OPENAI}/chat/completions", json=body, headers=key, timeout=None)
        if answer.status_code != 200:
            raise lesson.LLMError("no", answer.status_code, lesson.read_retry_after(answer.headers))
        if content == "bug":
            raise TypeError("this is a bug, and no provider's error")
        text, usage = answer.json()["choices"][0]["message"]["content"], answer.json()["usage"]
        tokens = lesson.Usage(prompt_tokens=usage["prompt_tokens"], completion_tokens=usage["completion_tokens"])
        return lesson.Reply(text=text, model="mock-large", finish_reason="stop", usage=tokens)


@pytest.fixture
def model(provider: MockLLM, http: httpx.AsyncClient) -> Model:
    """A model that asks the fake provider."""
    return Model(http)


def answers_of(results: Any) -> list[Any]:
    """What a batch returned: texts of replies, statuses of errors."""
    assert type(results) is list, f"a batch returns a list, this returned {type(results).__name__}"
    return json.loads(json.dumps([one.status if isinstance(one, lesson.LLMError) else one.text for one in results]))


@pytest.mark.task(4)
@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_never_more_than_limit_calls_in_flight(provider: MockLLM, model: Model, limit: int) -> None:
    """Providers answer 429 to whoever opens fifty calls at once."""
    await lesson.generate_batch(model, ["a", "b", "c", "d", "e"], limit=limit)

    assert provider.peak == limit, (
        f"limit={limit}, five prompts, and {provider.peak} calls ran at the same moment. "
        "1 means one after another; 5 means nothing held them back."
    )


@pytest.mark.task(4)
async def test_answers_come_in_the_order_of_the_prompts(provider: MockLLM, model: Model) -> None:
    """Answers that swap places are worse than none: nobody notices."""
    first = provider.when("first").step()
    batch = asyncio.ensure_future(lesson.generate_batch(model, ["first", "second", "third"], limit=3))
    await called(provider, batch, 3)
    await provider.until(lambda: provider.in_flight == 1, "the second and third call did not end", PATIENCE_S)
    first.open()

    seen = answers_of(await batch)
    assert seen == [f"Mock answer to: {one}" for one in ("first", "second", "third")], (
        f"the first call ended last, and the answers were {seen}. They are in the order in which calls ended."
    )


@pytest.mark.task(4)
async def test_the_next_call_starts_when_any_call_ends(provider: MockLLM, model: Model) -> None:
    """In groups of `limit` every group waits for its slowest call."""
    gate = provider.hold()
    batch = asyncio.ensure_future(lesson.generate_batch(model, ["a", "b", "c"], limit=2))
    await called(provider, batch, 2)
    gate.release(1)
    try:
        await called(provider, batch, 3)
    except AssertionError:
        pytest.fail(
            "limit=2, three prompts, one call has ended: the third should be under way, and is not. "
            "Work in groups of `limit` waits for the slowest of each group."
        )
    gate.open()

    assert answers_of(await batch) == [f"Mock answer to: {one}" for one in "abc"], (
        "the answers are not those to a, b, c"
    )


@pytest.mark.task(4)
async def test_one_failure_does_not_lose_the_rest(provider: MockLLM, model: Model) -> None:
    """Forty-nine answers that were paid for, thrown away for one 500."""
    provider.when("bad").fail(500)
    try:
        results = await lesson.generate_batch(model, ["a", "bad", "c"], limit=3)
    except BaseException as error:
        if inside(error, lesson.LLMError):
            pytest.fail(
                "One of three calls failed, and the batch raised its error: the other two answers are lost. "
                "gather() and a task group raise what any call raises, unless each call catches its own LLMError."
            )
        raise

    seen = answers_of(results)
    assert seen == ["Mock answer to: a", 500, "Mock answer to: c"], (
        f"the second of three calls failed with 500, and the batch returned {seen}. "
        "In its place belongs the LLMError itself."
    )


@pytest.mark.task(4)
async def test_a_bug_is_raised_and_ends_the_other_calls(provider: MockLLM, model: Model) -> None:
    """A TypeError that is handed out as an answer is found next month; calls that run on are billed today."""
    gate = provider.hold()
    batch = asyncio.ensure_future(lesson.generate_batch(model, ["bug", "b", "c"], limit=3))
    await called(provider, batch, 3)
    gate.release(1)
    await asyncio.wait({batch}, timeout=PATIENCE_S)
    running = provider.in_flight
    gate.open()
    (outcome,) = await asyncio.gather(batch, return_exceptions=True)

    assert isinstance(outcome, BaseException) and inside(outcome, TypeError), (
        f"one call raised a TypeError, and the batch ended with {outcome!r}. Only LLMError is an answer: "
        "`except Exception` and return_exceptions=True hide every bug there is."
    )
    assert running == 0, (
        f"the batch has raised, and {running} of its calls still run. "
        "gather() leaves the others running when one raises; a task group cancels them."
    )


@pytest.mark.task(4)
async def test_a_cancelled_batch_leaves_no_call_behind(provider: MockLLM, model: Model) -> None:
    """The caller has left: what still runs is paid for by you."""
    provider.hold()
    batch = asyncio.ensure_future(lesson.generate_batch(model, ["a", "b", "c", "d"], limit=2))
    await called(provider, batch, 2)

    await cancelled(batch, "generate_batch()")
    await provider.settle()

    seen = [call.state for call in provider.requests]
    assert seen == ["abandoned", "abandoned"], (
        f"a batch of 4 with limit=2 was cancelled, and its calls are {seen}. "
        "Right are two that are abandoned. One that is open still runs; a third began when all should have ended."
    )


async def turns(n: int) -> None:
    """Let the event loop go round `n` times."""
    for _ in range(n):
        await asyncio.sleep(0)


class Lingering:
    """A model that takes a moment to end when it is cancelled, as a call does that closes its connection."""

    def __init__(self) -> None:
        self.running = 0

    async def generate(self, messages: Any, *, max_tokens: int = 1024) -> Any:
        """Wait for ever; "bug" is a bug, as soon as the others are under way."""
        if messages[0].content == "bug":
            await turns(20)
            raise TypeError("this is a bug, and no provider's error")
        self.running += 1
        try:
            await asyncio.Event().wait()
        finally:
            try:
                await turns(20)
            finally:
                self.running -= 1


@pytest.mark.task(4)
@pytest.mark.parametrize("how", ["a bug was raised", "the batch was cancelled"])
async def test_no_call_outlives_the_batch(how: str) -> None:
    """A call that is cancelled still has its connection to close, and its slot is not free before."""
    lingering = Lingering()
    prompts = ["bug" if how == "a bug was raised" else "a", "b", "c"]
    batch = asyncio.ensure_future(lesson.generate_batch(lingering, prompts, limit=3))
    if how == "the batch was cancelled":
        await turns(20)
        if batch.done():
            batch.result()
        batch.cancel()
    await asyncio.wait({batch}, timeout=PATIENCE_S)
    running = lingering.running
    if batch.done() and not batch.cancelled() and isinstance(error := batch.exception(), NotImplementedError):
        raise error

    assert batch.done(), f"{how}, and generate_batch goes on"
    assert running == 0, (
        f"{how}, generate_batch has ended, and {running} of its calls have not: they were cancelled, but not awaited. "
        "cancel() only asks; await the tasks after it, or leave both to a task group."
    )


@pytest.mark.task(4)
async def test_a_limit_below_one_is_refused_before_any_call(provider: MockLLM, model: Model) -> None:
    """Semaphore(0) does not mean "no limit": whoever asks it for a slot waits for ever."""
    for limit in (0, -1):
        call = asyncio.ensure_future(lesson.generate_batch(model, ["a"], limit=limit))
        await asyncio.wait({call}, timeout=PATIENCE_S)
        assert call.done(), f"limit={limit} waits for ever. With no slot to give, nobody gets one: raise ValueError."
        error = call.exception()
        if isinstance(error, NotImplementedError):
            raise error
        assert type(error) is ValueError, f"limit={limit} ended with {error or call.result()!r}, not with a ValueError"
    assert provider.requests == [], f"{len(provider.requests)} calls were made before the limit was looked at"


# 03.5


class Flaky:
    """A call that fails with each of `errors` in turn and then answers; it knows when it was made."""

    def __init__(self, *errors: BaseException | int | None, takes_s: float = 0) -> None:
        self.takes_s = takes_s
        self.errors = [one if isinstance(one, BaseException) else lesson.LLMError("no", one) for one in errors]
        self.at: list[float] = []  # seconds of the virtual clock

    async def __call__(self) -> str:
        """Fail or answer."""
        self.at.append(asyncio.get_running_loop().time())
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if len(self.at) <= len(self.errors):
            raise self.errors[len(self.at) - 1]
        return "answer"

    @property
    def waits(self) -> list[float]:
        """Seconds between one call and the next."""
        return [round(after - before, 4) for before, after in pairwise(self.at)]


def quarters_of_8(waits: list[float]) -> list[int]:
    """How many of the waits are in each quarter of 0 to 8 seconds."""
    return [sum(low <= wait < low + 2 or wait == low + 2 == 8 for wait in waits) for low in (0, 2, 4, 6)]


@pytest.fixture
def no_time_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time.sleep() on an event loop say what it does instead of doing it; the learner's code stays as it is."""
    real = time.sleep

    def sleep(seconds: float) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return real(seconds)
        raise LoopBlocked(
            f"time.sleep({seconds:g}) stops the event loop, and everybody waits with you. Wait with asyncio.sleep."
        )

    monkeypatch.setattr(time, "sleep", sleep)


async def ends_with(call: Flaky, **options: Any) -> Any:
    """What retry() returns or raises for a call."""
    try:
        return await lesson.retry(call, **options)
    except (lesson.LLMError, TypeError) as error:
        return error


@pytest.mark.task(5)
@pytest.mark.usefixtures("no_time_sleep")
@pytest.mark.looptime
async def test_what_can_pass_is_tried_again() -> None:
    """529 is Anthropic's word for "too busy", and no answer at all has no status."""
    for status in (408, 409, 429, 500, 502, 503, 504, 529, None):
        call = Flaky(status)
        outcome = await ends_with(call)
        assert type(outcome) is str and outcome == "answer", (
            f"the first call failed with status {status}, the second would answer; retry() ended with {outcome!r}."
        )


@pytest.mark.task(5)
@pytest.mark.usefixtures("no_time_sleep")
@pytest.mark.looptime
async def test_what_cannot_pass_is_raised_at_once() -> None:
    """A 400 is as wrong the fourth time, and costs the caller ten seconds more."""
    for status in (400, 401, 403, 404, 413, 422):
        call = Flaky(status, status)
        outcome = await ends_with(call)
        assert outcome is call.errors[0] and len(call.at) == 1, (
            f"a call failed with status {status}, and was made {len(call.at)} times; retry() ended with {outcome!r}. "
            "A request that is wrong stays wrong: never retry a 400."
        )
    bug = Flaky(TypeError("a bug"), TypeError("a bug"))
    outcome = await ends_with(bug)
    assert outcome is bug.errors[0] and len(bug.at) == 1, (
        f"a call raised a TypeError, and was made {len(bug.at)} times; retry() ended with {outcome!r}. "
        "`except Exception` retries bugs."
    )


@pytest.mark.task(5)
@pytest.mark.usefixtures("no_time_sleep")
@pytest.mark.looptime
async def test_retries_are_counted() -> None:
    """A retry without an end is a denial of service, by you."""
    for retries in (0, 1, 3):
        call = Flaky(*[500] * 9)
        outcome = await ends_with(call, retries=retries, budget_s=1_000)
        assert len(call.at) == 1 + retries, f"retries={retries}, and {len(call.at)} calls were made, not {1 + retries}."
        assert outcome is call.errors[retries], f"retries={retries}: not the last error came, but {outcome!r}"


@pytest.mark.task(5)
@pytest.mark.usefixtures("no_time_sleep")
@pytest.mark.looptime(noop_cycles=3)
async def test_a_hundred_callers_do_not_come_back_together() -> None:
    """Those who failed together and wait equally long fail together again."""
    herd = [Flaky(429) for _ in range(100)]
    await asyncio.gather(*(ends_with(call, base_s=8, cap_s=60) for call in herd))

    waits = [wait for call in herd for wait in call.waits]
    quarters = quarters_of_8(waits)
    if len(set(waits)) == 1:
        words = "all at once is a sleep without jitter"
    elif max(waits, default=0) > 8:
        words = "some came after the bound of 8 s: the first wait's bound is base_s, not doubled"
    else:
        words = "an empty quarter is jitter that is not full"
    assert len(waits) == 100 and all(quarters) and sum(quarters) == 100, (
        f"100 callers failed in the same moment with base_s=8. They came back after {min(waits, default=0):g} to "
        f"{max(waits, default=0):g} s, {quarters} of them in the 1st, 2nd, 3rd and 4th quarter of 8 s: {words}. "
        "Draw each wait from the whole of 0 to its bound."
    )


@pytest.mark.task(5)
@pytest.mark.usefixtures("no_time_sleep")
@pytest.mark.looptime(noop_cycles=3)
async def test_the_cap_bounds_the_draw_and_not_what_was_drawn() -> None:
    """Cut off after the draw, most waits are the cap exactly: the herd is back, just when the outage is long."""
    herd = [Flaky(429) for _ in range(100)]
    await asyncio.gather(*(ends_with(call, base_s=64, cap_s=8) for call in herd))

    waits = [wait for call in herd for wait in call.waits]
    quarters, same = quarters_of_8(waits), sum(wait == 8 for wait in waits)
    words = f"{same} of them after 8 s exactly: the cap was put on what was drawn, so they come back together"
    assert len(waits) == 100 and all(0 < n <= 60 for n in quarters) and sum(quarters) == 100, (
        f"100 callers failed in the same moment with base_s=64, cap_s=8. They came after {min(waits, default=0):g} "
        f"to {max(waits, default=0):g} s, {quarters} of them in the 1st, 2nd, 3rd and 4th quarter of 8 s; "
        f"{words if same > 1 else 'the cap bounds every wait'}. First the smaller of cap and doubled base, then draw."
    )


@pytest.mark.task(5)
@pytest.mark.usefixtures("no_time_sleep")
@pytest.mark.looptime(noop_cycles=3)
async def test_the_bound_doubles_up_to_the_cap() -> None:
    """A provider that is down for a minute is not helped by a call a second."""
    herd = [Flaky(*[500] * 5) for _ in range(40)]
    await asyncio.gather(*(ends_with(call, retries=4, base_s=1, cap_s=5, budget_s=1_000) for call in herd))

    assert all(len(call.waits) == 4 for call in herd), f"retries=4, and there were {len(herd[0].waits)} waits"
    longest = [max(call.waits[n] for call in herd) for n in range(4)]
    for bound, before, wait in zip((1, 2, 4, 5), (0, 1, 2, 4), longest, strict=True):
        assert before < wait <= bound, (
            f"base_s=1, cap_s=5: of 40 callers the longest 1st to 4th waits were {longest} s. "
            "They may reach 1, 2, 4 and 5 s: the bound doubles with each wait and stops at the cap."
        )


@pytest.mark.task(5)
@pytest.mark.usefixtures("no_time_sleep")
@pytest.mark.looptime
async def test_retry_after_is_heeded(provider: MockLLM, model: Model) -> None:
    """The provider says when; whoever comes earlier is refused again, and by some told to wait longer still."""
    provider.fail(429, retry_after=3, times=2)

    reply = await lesson.retry(lambda: model.generate([said("Why?")]), base_s=0.5, budget_s=60)

    times = [call.at for call in provider.requests]
    waits = [round(after - before, 3) for before, after in pairwise(times)]
    assert shown(reply)["text"] == "Mock answer to: Why?", f"the third call was answered, the reply is {shown(reply)}"
    assert len(waits) == 2 and all(3 <= wait <= 4.1 for wait in waits), (
        f"the provider said twice: retry after 3 s. The calls came after {waits} s. "
        "Not earlier than it says, and later by no more than the backoff."
    )


@pytest.mark.task(5)
@pytest.mark.usefixtures("no_time_sleep")
@pytest.mark.looptime
async def test_all_waits_together_stay_within_the_budget() -> None:
    """The caller behind you has a timeout too: an answer after that is for nobody."""
    call = Flaky(*[lesson.LLMError("no", 429, 8.0) for _ in range(9)])
    outcome = await ends_with(call, retries=9, base_s=0.1, budget_s=20)
    assert len(call.at) == 3 and outcome is call.errors[2], (
        f"budget_s=20 and Retry-After 8 leave room for 2 waits; there were {len(call.waits)}, of {call.waits} s. "
        "A wait that would pass the budget is not begun: the last error is raised."
    )

    late = Flaky(lesson.LLMError("no", 429, 3600.0))
    started = asyncio.get_running_loop().time()
    outcome = await ends_with(late, budget_s=20)
    assert outcome is late.errors[0] and asyncio.get_running_loop().time() == started, (
        f"Retry-After 3600 does not fit into budget_s=20: the error should be raised at once. After "
        f"{asyncio.get_running_loop().time() - started:g} s and {len(late.at)} calls retry() ended with {outcome!r}."
    )


@pytest.mark.task(5)
@pytest.mark.usefixtures("no_time_sleep")
@pytest.mark.looptime
async def test_the_time_of_the_calls_does_not_count() -> None:
    """A model that thinks for half a minute and then says 529 was slow, not retried for long."""
    slow = Flaky(529, takes_s=30)

    outcome = await ends_with(slow, budget_s=20)

    assert len(slow.at) == 2 and type(outcome) is str and outcome == "answer", (
        f"a call took 30 s and failed with 529; budget_s=20, and it was made {len(slow.at)} times, the end: "
        f"{outcome!r}. The budget is the sum of the waits: how long the calls take does not count."
    )


@pytest.mark.task(5)
@pytest.mark.usefixtures("no_time_sleep")
@pytest.mark.looptime
async def test_who_is_cancelled_while_waiting_does_not_call_again() -> None:
    """A deadline around the call has to end the waiting too."""
    call = Flaky(lesson.LLMError("no", 503, 5.0))
    task = asyncio.ensure_future(lesson.retry(call))
    await asyncio.wait({task}, timeout=1)
    if task.done():
        task.result()

    await cancelled(task, "retry(), one second into a wait of five,")

    assert len(call.at) == 1, f"cancelled one second into a wait of five, it made {len(call.at)} calls"


# 03.6


class Blocking:
    """Work that blocks its thread until the event loop lets it go on: proof without a clock that the loop is free."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.released = threading.Event()
        self.came = asyncio.Event()
        self.running = self.peak = 0
        self.stuck = False
        self._counting = threading.Lock()

    def __call__(self, item: Any) -> str:
        """Come, wait, go."""
        with self._counting:
            self.running += 1
            self.peak = max(self.peak, self.running)
        self.loop.call_soon_threadsafe(self.came.set)
        self.stuck = self.stuck or not self.released.wait(0 if self.stuck else PATIENCE_S)
        with self._counting:
            self.running -= 1
        return str(item).upper()


async def first_of(task: "asyncio.Future[Any]", event: asyncio.Event) -> None:
    """Wait until the event is set or the task has ended; raise what the task raised."""
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait({task, waiting}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()


@pytest.mark.task(6)
async def test_the_event_loop_stays_free() -> None:
    """While one request tokenizes, nobody's stream moves: the service looks dead, and health checks agree."""
    work = Blocking()
    task = asyncio.ensure_future(lesson.map_in_threads(work, ["a", "b", "c"], threads=2))
    await first_of(task, work.came)
    work.released.set()

    results = await task

    assert not work.stuck, (
        f"the work waited {PATIENCE_S:g} s for the event loop, which stood still: it was blocked. `async def` in front "
        "of a blocking call changes nothing, and `pool.map` or `future.result()` on the loop waits there too."
    )
    assert type(results) is list and json.dumps(results) == '["A", "B", "C"]', f"a, b, c became {results}"


@pytest.mark.task(6)
async def test_no_more_threads_than_allowed() -> None:
    """The default pool has some 40 threads, and every `def` route and dependency lives off them."""
    work = Blocking()
    task = asyncio.ensure_future(lesson.map_in_threads(work, list("abcdefgh"), threads=3))
    await first_of(task, work.came)
    for _ in range(20):  # others that are on their way come now
        await asyncio.to_thread(threading.Event().is_set)
    work.released.set()
    await task

    assert work.peak <= 3, f"threads=3, and {work.peak} items were worked on at once: nothing held the rest back."
    assert work.peak > 1, "threads=3, and one item was worked on after another."


@pytest.mark.task(6)
async def test_results_are_in_order_and_errors_are_raised() -> None:
    """A thread that fails in silence is a result that is missing."""
    second_done = threading.Event()

    def work(item: str) -> str:
        if item == "first":
            second_done.wait(PATIENCE_S)
        else:
            second_done.set()
        if item == "bad":
            raise ZeroDivisionError(item)
        return item

    results = await lesson.map_in_threads(work, ["first", "second"], threads=2)
    assert json.dumps(results) == '["first", "second"]', f"the first item ended last, and the results were {results}"
    try:
        seen = await lesson.map_in_threads(work, ["a", "bad"], threads=2)
    except Exception as error:
        seen = error
    assert isinstance(seen, Exception) and inside(seen, ZeroDivisionError), f"work raised, and the result was {seen!r}"


@pytest.mark.task(6)
async def test_the_event_loop_stays_free_when_one_item_fails() -> None:
    """`with ThreadPoolExecutor()` waits at its end for all threads, on the loop: one bad item, and everybody stands."""
    work = Blocking()
    slow_came, failed = threading.Event(), asyncio.Event()

    def one(item: str) -> str:
        if item == "bad":
            slow_came.wait(PATIENCE_S)
            work.loop.call_soon_threadsafe(failed.set)
            raise ZeroDivisionError(item)
        slow_came.set()
        return work(item)

    task = asyncio.ensure_future(lesson.map_in_threads(one, ["slow", "bad"], threads=2))
    waiting = asyncio.ensure_future(failed.wait())
    await asyncio.wait({task, waiting}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for _ in range(20):  # its error is on its way
        await asyncio.to_thread(threading.Event().is_set)
    work.released.set()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(outcome, NotImplementedError):
        raise outcome

    assert not work.stuck, (
        "one item raised while another was worked on, and the event loop stood still until that had ended. "
        "A `with ThreadPoolExecutor()` waits for its threads where it ends: shutdown(wait=False) does not."
    )


# 03.7


class Answering:
    """Stands for LLMService: it answers or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def generate(self, messages: Any, *, max_tokens: int = 1024) -> Any:
        """Answer at once."""
        if self.error:
            raise self.error
        usage = lesson.Usage(prompt_tokens=len(messages), completion_tokens=max_tokens)
        return lesson.Reply(text="Because.", model="mock-large", finish_reason="stop", usage=usage)


def logging_service(log: Callable[[Any], object], error: Exception | None = None) -> FastAPI:
    """The learner's application; usage goes to `log`."""
    return service(get_service=lambda: Answering(error), get_usage_log=lambda: log)


@pytest.mark.task(7)
async def test_what_a_call_cost_is_logged_once() -> None:
    """What is not logged is not billed."""
    logged: list[Any] = []
    async with caller_of(logging_service(logged.append)) as caller:
        response = await caller.post("/generate", json=ASK)

    usage = {"prompt_tokens": 2, "completion_tokens": 50}
    expected = {"text": "Because.", "model": "mock-large", "finish_reason": "stop", "usage": usage}
    assert response.status_code == 200 and response.json() == expected, (
        f"POST /generate answered {response.status_code} {response.text}, not {expected}"
    )
    assert [shown(reply)["usage"] for reply in logged] == [[2, 50]], (
        f"one reply that used 2 and 50 tokens should be logged, and logged were {logged}"
    )


@pytest.mark.task(7)
async def test_usage_is_logged_after_the_answer() -> None:
    """A database that is slow today must not make every answer slow."""
    events: list[str] = []
    app = logging_service(lambda reply: events.append("logged"))

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def watch(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                events.append("answered")

        await app(scope, receive, watch)

    async with caller_of(watched) as caller:
        await caller.post("/generate", json=ASK)

    assert events == ["answered", "logged"], (
        f"the order was {events}. Logged first, every caller waits for the log: hand it to BackgroundTasks."
    )


@pytest.mark.task(7)
async def test_a_failing_log_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that was paid for, lost because a disk is full; and if nobody is told, the disk stays full."""

    def full(reply: Any) -> None:
        raise OSError("the disk is full")

    async with caller_of(logging_service(full)) as caller:
        try:
            status = (await caller.post("/generate", json=ASK)).status_code
        except OSError:
            pytest.fail(
                "The log raised OSError, and that came out of the application. An exception in a background task ends "
                "those behind it, and the server closes the connection: catch it where it happens."
            )
    told = [one for one in caplog.records if one.levelno >= logging.ERROR and one.exc_info]

    assert status == 200, f"the log raised OSError, and POST /generate answered {status}"
    assert any("the disk is full" in str(one.exc_info and one.exc_info[1]) for one in told), (
        "The log failed, and nobody hears of it: `except: pass`. Tell `logging`, with level ERROR and the traceback. "
        f"Seen: {[(one.levelname, 'with traceback' if one.exc_info else 'no traceback') for one in caplog.records]}."
    )


@pytest.mark.task(7)
async def test_a_call_that_failed_logs_no_usage() -> None:
    """No answer, no tokens: and the caller hears how long to wait."""
    logged: list[Any] = []
    async with caller_of(logging_service(logged.append, lesson.LLMError("no", 429, 7.0))) as caller:
        response = await caller.post("/generate", json=ASK)

    assert (response.status_code, response.headers.get("retry-after")) == (429, "7"), (
        f"an LLMError of status 429 left the route as {response.status_code} {response.text}. "
        "answer_llm_error makes a response of it, if the route lets it through."
    )
    assert logged == [], f"the call failed, and logged was {logged}"


@pytest.mark.task(7)
async def test_a_log_that_blocks_holds_up_nobody() -> None:
    """Most database drivers block; an `async def` around one blocks the whole service."""
    work = Blocking()
    async with caller_of(logging_service(work)) as caller:
        request = asyncio.ensure_future(caller.post("/generate", json=ASK))
        await first_of(request, work.came)
        work.released.set()
        await request

    assert work.peak == 1, "the usage was not logged"
    assert not work.stuck, (
        "the log waited for the event loop, which stood still. FastAPI runs a background task in a thread if it is a "
        "plain def; in an `async def` it blocks everybody."
    )


# 03.8


def request_until(left: asyncio.Event) -> Request:
    """A request whose body was read, and whose caller leaves when `left` is set."""

    async def receive() -> dict[str, str]:
        await left.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


async def answer_now() -> str:
    """Work that is done at once."""
    return "answer"


@pytest.mark.task(8)
async def test_who_stays_gets_the_answer() -> None:
    """The usual case must cost nothing, and leave nothing behind: not one task per request."""
    before = asyncio.all_tasks()

    answer = await lesson.while_connected(request_until(asyncio.Event()), answer_now)

    for _ in range(5):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before
    assert type(answer) is str and answer == "answer", f"work returned 'answer', while_connected returned {answer!r}"
    assert not left, (
        f"the answer is there, and {len(left)} task still runs: the one that watches the caller is not cancelled."
    )


@pytest.mark.task(8)
async def test_an_error_of_the_work_is_raised_as_it_is() -> None:
    """A handler for LLMError does not see one that comes wrapped in a group."""
    error = lesson.LLMError("no", 429)

    async def fail() -> str:
        raise error

    try:
        seen: Any = await lesson.while_connected(request_until(asyncio.Event()), fail)
    except BaseException as raised:
        if isinstance(raised, NotImplementedError):
            raise
        seen = raised

    assert seen is error, (
        f"work raised LLMError, and out came {seen!r}. "
        "A task group wraps errors in an ExceptionGroup; LLMError has to come out of it."
    )


@pytest.mark.task(8)
async def test_who_leaves_ends_the_providers_call(provider: MockLLM, model: Model) -> None:
    """Nobody reads the answer, and every token of it is billed."""
    provider.hang()
    left = asyncio.Event()
    work = asyncio.ensure_future(lesson.while_connected(request_until(left), lambda: model.generate([said("Why?")])))
    await called(provider, work)
    left.set()
    await asyncio.wait({work}, timeout=PATIENCE_S)

    assert work.done(), "the caller has left, and the work goes on: nobody looked whether the caller is still there."
    outcome = "CancelledError" if work.cancelled() else work.exception() or work.result()
    assert isinstance(outcome, lesson.CallerLeft), f"the caller has left: CallerLeft should be raised, not {outcome!r}"
    assert provider.last.state == "abandoned", (
        "CallerLeft was raised, and the provider's call still runs. Cancel the work, and wait until it has ended."
    )


@pytest.mark.task(8)
async def test_whoever_cancels_the_request_ends_the_work(provider: MockLLM, model: Model) -> None:
    """Deadlines and shutdowns cancel too, and asyncio.wait() leaves running what it waits for."""
    provider.hang()
    request = request_until(asyncio.Event())
    work = asyncio.ensure_future(lesson.while_connected(request, lambda: model.generate([said("Why?")])))
    await called(provider, work)

    await cancelled(work, "while_connected()")

    assert provider.last.state == "abandoned", (
        "the request was cancelled, and the provider's call still runs. "
        "asyncio.wait() and shield() leave their tasks running when they are cancelled: cancel them in a `finally`."
    )


@pytest.mark.task(8)
@pytest.mark.parametrize("how", ["the caller left", "the request was cancelled"])
async def test_work_has_ended_when_the_caller_is_given_up(how: str) -> None:
    """To cancel is only to ask: until the work has ended it holds its slot and its connection."""
    lingering = Lingering()
    left = asyncio.Event()
    before = asyncio.all_tasks()
    task = asyncio.ensure_future(
        lesson.while_connected(request_until(left), lambda: lingering.generate([said("Why?")]))
    )
    await turns(20)
    if task.done():
        task.result()
    if how == "the caller left":
        left.set()
    else:
        task.cancel()
    await asyncio.wait({task}, timeout=PATIENCE_S)
    running = lingering.running
    await turns(5)
    others = asyncio.all_tasks() - before - {task}

    assert task.done(), f"{how}, and while_connected goes on"
    assert running == 0, (
        f"{how}, while_connected has ended, and the work has not: it was cancelled, but not awaited. "
        "cancel() only asks; await the task after it, for it may have to close something."
    )
    assert not others, f"{how}, and {len(others)} task is left running"


class Served:
    """A real server on a free port, whose application a test exchanges."""

    port = 0
    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on to the application of the moment."""
        await self.app(scope, receive, send)

    async def post(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request; who closes the writer leaves."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"POST {path} HTTP/1.1\r\nhost: service.test\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        return reader, writer


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Run uvicorn in a thread."""
    import socket

    import uvicorn

    class Server(uvicorn.Server):
        async def main_loop(self) -> None:
            while not self.should_exit:  # noqa: ASYNC110 - as uvicorn's own, which looks only ten times a second
                await asyncio.sleep(0.005)

        async def shutdown(self, sockets: Any = None) -> None:
            for server in self.servers:  # uvicorn's own waits a tenth of a second for connections; all are closed
                server.close()

    served = Served()
    listener = socket.create_server(("127.0.0.1", 0))
    served.port = listener.getsockname()[1]
    config = uvicorn.Config(served, lifespan="off", loop="asyncio", http="h11", ws="none", log_config=None)
    server = Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()  # the socket listens already: who comes early waits
    yield served
    server.should_exit = True
    thread.join(PATIENCE_S)
    listener.close()


class OneSlot:
    """An application with one slot for calls to the provider, which says when a request has come and when it ended."""

    def __init__(self, model: Model) -> None:
        self.app = lesson.create_app(settings())
        self.slot = asyncio.Semaphore(1)
        self.loop = asyncio.get_running_loop()
        self.came = [asyncio.Event() for _ in range(2)]
        self.ended = [asyncio.Event() for _ in range(2)]

        @self.app.post("/ask/{n}")
        async def ask(n: int, request: Request) -> str:
            async def work() -> str:
                async with self.slot:
                    return (await model.generate([said(f"question {n}")])).text

            await request.body()  # as FastAPI does for a route that takes a Prompt
            self.loop.call_soon_threadsafe(self.came[n].set)
            try:
                return await lesson.while_connected(request, work)
            finally:
                self.loop.call_soon_threadsafe(self.ended[n].set)


async def within_patience(event: asyncio.Event, complaint: str) -> None:
    """Wait for an event that a right answer brings about at once."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await event.wait()
    except TimeoutError:
        pytest.fail(complaint)


@pytest.mark.task(8)
async def test_over_a_real_server_the_slot_goes_to_the_next(served: Served, provider: MockLLM, model: Model) -> None:
    """No server cancels a route whose caller left: ten impatient reloads, and ten slots are taken."""
    await lesson.while_connected(request_until(asyncio.Event()), answer_now)
    provider.hang()
    one = OneSlot(model)
    served.app = one.app
    _, writer = await served.post("/ask/0")
    await provider.until(lambda: provider.in_flight == 1, "the first request did not reach the provider", PATIENCE_S)
    writer.close()
    await within_patience(
        one.ended[0], "The caller closed the connection, and the request goes on: it pays for an answer nobody reads."
    )

    reader, writer = await served.post("/ask/1")
    await within_patience(
        one.ended[1], "The first caller has left, but its slot is not free: the second waits for ever."
    )
    status = await reader.readline()
    writer.close()

    assert [call.state for call in provider.requests] == ["abandoned", "answered"], (
        f"the calls of the one who left and of the one who stayed are {[call.state for call in provider.requests]}"
    )
    assert status.startswith(b"HTTP/1.1 200"), f"the second caller was answered {status!r}"


@pytest.mark.task(8)
async def test_over_a_real_server_who_leaves_the_queue_never_calls(
    served: Served, provider: MockLLM, model: Model
) -> None:
    """On a bad day most of the queue has left: their calls are the load that keeps the day bad."""
    await lesson.while_connected(request_until(asyncio.Event()), answer_now)
    gate = provider.hold()
    one = OneSlot(model)
    served.app = one.app
    reader, first = await served.post("/ask/0")
    await provider.until(lambda: provider.in_flight == 1, "the first request did not reach the provider", PATIENCE_S)
    _, second = await served.post("/ask/1")
    await within_patience(one.came[1], "the second request did not come")
    second.close()
    await within_patience(
        one.ended[1], "A caller who waits for a slot has left, and the request goes on: nobody looked while it waited."
    )
    gate.open()
    await within_patience(one.ended[0], "the first request did not end")
    await reader.readline()
    first.close()

    prompts = [call.text for call in provider.requests]
    assert prompts == ["question 0"], f"only the one who stayed should be asked for; the provider was asked {prompts}"

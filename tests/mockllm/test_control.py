"""What a test can see and steer without a clock."""

import asyncio
import threading
from typing import Any

import httpx2
import pytest

from mockllm import MockLLM, NotArrived

CHAT = "https://api.openai.com/v1/chat/completions"
MESSAGES = "https://api.anthropic.com/v1/messages"
KEY = {"authorization": "Bearer mock"}


def body(prompt: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": "mock-small", "messages": [{"role": "user", "content": prompt}], **more}


@pytest.fixture
async def client(llm: MockLLM):
    async with httpx2.AsyncClient(headers=KEY, timeout=None) as client:
        yield client


async def said(answer: httpx2.Response) -> str:
    return answer.json()["choices"][0]["message"]["content"]


async def test_all_calls_arrive_before_any_is_answered(llm, client):
    gate = llm.hold()
    calls = [asyncio.create_task(client.post(CHAT, json=body(str(n)))) for n in range(5)]
    await gate.arrived(5)

    assert (llm.in_flight, gate.waiting) == (5, 5)
    assert not any(call.done() for call in calls)
    gate.release()
    done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    assert done == {calls[0]}
    gate.open()
    assert [await said(answer) for answer in await asyncio.gather(*calls)] == [f"Mock answer to: {n}" for n in range(5)]
    assert (llm.peak, llm.in_flight) == (5, 0)


async def test_the_peak_needs_no_gate(llm, client):
    limit = asyncio.Semaphore(2)

    async def one(n: int) -> None:
        async with limit:
            await client.post(CHAT, json=body(str(n)))

    await asyncio.gather(*(one(n) for n in range(6)))
    assert llm.peak == 2

    await asyncio.gather(*(client.post(CHAT, json=body()) for _ in range(6)))
    assert llm.peak == 6


async def test_one_after_another_never_makes_a_peak(llm, client):
    for _ in range(3):
        await client.post(CHAT, json=body())

    assert llm.peak == 1


async def test_calls_that_do_not_come_are_named(llm, client):
    gate = llm.hold()
    call = asyncio.create_task(client.post(CHAT, json=body()))
    await gate.arrived(1)
    with pytest.raises(NotArrived, match="waited for 2 calls, but 1 came"):
        await gate.arrived(2, patience_s=0)
    with pytest.raises(NotArrived):
        gate.arrived_blocking(2, patience_s=0)
    gate.open()
    await call


async def test_who_leaves_the_gate_gives_the_turn_to_the_next(llm, client):
    gate = llm.hold()
    first, second = (asyncio.create_task(client.post(CHAT, json=body(name))) for name in ("first", "second"))
    await gate.arrived(2)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert gate.waiting == 1

    gate.release()
    assert await said(await second) == "Mock answer to: second"
    assert [request.text for request in llm.cancelled] == ["first"]


@pytest.mark.parametrize("url", [CHAT, MESSAGES])
async def test_the_first_token_is_read_before_the_second_may_be_sent(llm, client, url):
    gate = llm.tokens(["one", "two"]).step()
    more: dict[str, Any] = {"stream": True} if url == CHAT else {"stream": True, "max_tokens": 9}
    headers = {"anthropic-version": "2026-10-21"}
    async with client.stream("POST", url, json=body(**more), headers=headers) as answer:
        lines = answer.aiter_lines()
        gate.release()
        async for line in lines:
            if "one" in line:
                break
        assert llm.last.tokens_sent == 1
        gate.open()
        assert any(["two" in line async for line in lines])


async def test_a_stream_left_early(llm, client):
    gate = llm.tokens(["a", "b", "c"]).step()
    gate.release(2)
    async with client.stream("POST", CHAT, json=body(stream=True)) as answer:
        async for line in answer.aiter_lines():
            if '"b"' in line:
                break
    (left,) = llm.closed_early

    assert (left.tokens_sent, left.state, left.status) == (2, "abandoned", 200)
    assert llm.cancelled == []
    assert llm.in_flight == 0


async def test_a_reader_cancelled_in_mid_stream(llm, client):
    gate = llm.tokens(["a", "b"]).step()

    async def read() -> None:
        async with client.stream("POST", CHAT, json=body(stream=True)) as answer:
            async for _ in answer.aiter_lines():
                pass

    reader = asyncio.create_task(read())
    gate.release()
    await gate.arrived(2)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)

    assert [request.tokens_sent for request in llm.closed_early] == [1]


async def test_a_call_cancelled_before_its_answer(llm, client):
    llm.hang()
    call = asyncio.create_task(client.post(CHAT, json=body()))
    await llm.until(lambda: llm.in_flight == 1, "no call")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert llm.cancelled == [llm.last]
    assert llm.closed_early == []


async def test_waiting_for_an_end_that_does_not_come(llm, client):
    llm.hang()
    call = asyncio.create_task(client.post(CHAT, json=body()))
    await llm.until(lambda: llm.in_flight == 1, "no call")
    with pytest.raises(NotArrived, match="the call is still open"):
        await llm.ended(llm.last, patience_s=0)
    llm.close()
    with pytest.raises(httpx2.ReadError):
        await call


async def test_answers_by_what_is_asked(llm, client):
    llm.when("three").fail(500)
    llm.when(lambda request: request.json["messages"][0]["content"] == "two").reply("second").times(1)
    llm.reply("from the queue")
    answers = await asyncio.gather(*(client.post(CHAT, json=body(text)) for text in ("one", "two", "three")))

    assert [answer.status_code for answer in answers] == [200, 200, 500]
    assert [await said(answer) for answer in answers[:2]] == ["from the queue", "second"]
    assert await said(await client.post(CHAT, json=body("two"))) == "Mock answer to: two"
    assert (await client.post(CHAT, json=body("three again"))).status_code == 500
    assert llm.queued == 0


async def test_the_default_can_be_scripted(llm, client):
    llm.default.reply("always")
    llm.reply("once")

    assert [await said(await client.post(CHAT, json=body())) for _ in range(3)] == ["once", "always", "always"]
    llm.forget_scripts()
    assert await said(await client.post(CHAT, json=body())) == "Mock answer to: Hello"


async def test_what_is_remembered_of_a_call(llm, client):
    before = asyncio.get_running_loop().time()
    await client.post(MESSAGES, json=body(max_tokens=9), headers={"anthropic-version": "2026-10-21", "X-Trace": "t1"})
    request = llm.last

    assert (request.method, request.path, request.provider) == ("POST", "/v1/messages", "anthropic")
    assert request.url == MESSAGES
    assert request.headers["x-trace"] == request.headers.get("X-TRACE") == "t1"
    assert "X-Trace" in request.headers
    assert request.json["max_tokens"] == request.chat.max_tokens == 9
    assert before <= request.at <= request.ended_at
    assert "mock" not in repr(request).replace("mock-", "").replace("req_mock", "")  # no key in a failing test's output
    with pytest.raises(AssertionError, match="the provider was not called"):
        _ = MockLLM().last


async def test_a_reset_fake_is_as_new(llm, client):
    llm.reply("x").times(5)
    await client.post(CHAT, json=body())
    llm.hold()
    llm.reset()
    answer = await client.post(CHAT, json=body())

    assert answer.json()["id"] == "chatcmpl-mock1"
    assert (len(llm.requests), llm.peak) == (1, 1)


def test_a_blocking_client_in_threads(llm):
    gate = llm.hold()
    answers = []

    def call() -> None:
        with httpx2.Client(headers=KEY, timeout=None) as client:
            answers.append(client.post(CHAT, json=body()).status_code)

    threads = [threading.Thread(target=call, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    gate.arrived_blocking(3)
    assert answers == []
    gate.open()
    for thread in threads:
        thread.join()

    assert answers == [200] * 3
    assert llm.peak == 3
    assert not llm.last.blocked_loop


async def test_a_blocking_client_on_the_loop_is_told_apart(llm):
    with httpx2.Client(headers=KEY) as client:
        client.post(CHAT, json=body())
        await asyncio.to_thread(client.post, CHAT, json=body())
        assert [request.blocked_loop for request in llm.requests] == [True, False]

        llm.hold()
        with pytest.raises(RuntimeError, match="A blocking client was called on the thread of a running event loop"):
            client.post(CHAT, json=body())


async def test_old_calls_are_forgotten_if_wanted():
    fake = MockLLM.offline(remember=3)
    for _ in range(10):
        fake.begin("GET", "http://x/v1/models", "/v1/models", [], b"")
    assert [request.id for request in fake.requests] == [f"req_mock{n:06d}" for n in (8, 9, 10)]
    assert fake.peak == 10


@pytest.mark.parametrize("words", ["nonsense", "429 retry", "slow speed=2", "", "999"])
async def test_a_wrong_word_in_the_header_is_explained(llm, client, words):
    answer = await client.post(CHAT, json=body(), headers={"X-Mock-Fault": words})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("x-mock-fault: ")


async def test_a_fault_by_header(llm, client):
    llm.reply("not used up")
    answer = await client.post(CHAT, json=body(), headers={"X-Mock-Fault": "429 retry_after=2"})

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert llm.queued == 1

"""Every wait is a wait of the event loop: on a virtual clock a slow model costs no time."""

import asyncio
import threading
from collections.abc import AsyncIterator
from itertools import pairwise

import httpx2
import pytest

from mockllm import LLMTransport, MockLLM

pytestmark = pytest.mark.looptime

CHAT = "https://api.openai.com/v1/chat/completions"
ASK = {"model": "mock-small", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
async def client(fake: MockLLM) -> AsyncIterator[httpx2.AsyncClient]:
    transport = LLMTransport(fake)
    async with httpx2.AsyncClient(transport=transport, headers={"authorization": "Bearer mock"}, timeout=5) as client:
        yield client


async def test_first_token_and_cadence(fake, client):
    fake.tokens(["a", "b", "c"]).slow(first_token_s=4, cadence_s=2)
    times: list[float] = []
    async with client.stream("POST", CHAT, json={**ASK, "stream": True}) as answer:
        async for line in answer.aiter_lines():
            if any(f'"content":"{token}"' in line for token in "abc"):
                times.append(asyncio.get_running_loop().time())

    assert times == pytest.approx([4, 6, 8])


async def test_a_slow_answer_that_does_not_stream(fake, client):
    fake.tokens(["a", "b", "c"]).slow(first_token_s=2, cadence_s=1)
    await client.post(CHAT, json=ASK)

    assert fake.last.ended_at - fake.last.at == pytest.approx(4)


async def test_the_clients_read_timeout_counts_from_the_last_bytes(fake, client):
    fake.tokens(["a", "b", "c"]).slow(first_token_s=4, cadence_s=4)
    await client.post(CHAT, json={**ASK, "stream": True})  # 12 seconds, but never 5 of silence
    fake.tokens(["a", "b", "c"]).slow(first_token_s=4, cadence_s=6)
    with pytest.raises(httpx2.ReadTimeout):
        await client.post(CHAT, json={**ASK, "stream": True})

    assert fake.last.tokens_sent == 1
    assert fake.last.ended_at - fake.last.at == pytest.approx(4 + 5)


@pytest.mark.parametrize("after", [0, 2])
async def test_a_hang_lasts_until_the_client_gives_up(fake, client, after):
    fake.tokens(["a", "b", "c"]).hang(after)
    with pytest.raises(httpx2.ReadTimeout):
        await client.post(CHAT, json={**ASK, "stream": True})

    assert asyncio.get_running_loop().time() == pytest.approx(5)
    assert fake.last.tokens_sent == after


async def test_calls_overlap(fake, client):
    fake.default.slow(first_token_s=3)
    await asyncio.gather(*(client.post(CHAT, json=ASK) for _ in range(5)))

    assert fake.peak == 5
    assert asyncio.get_running_loop().time() == pytest.approx(3)


async def test_a_gate_costs_no_time(fake, client):
    gate = fake.hold()
    calls = [asyncio.create_task(client.post(CHAT, json=ASK)) for _ in range(3)]
    await gate.arrived(3)
    gate.open()
    await asyncio.gather(*calls)

    assert asyncio.get_running_loop().time() == 0


async def test_the_patience_of_a_test_is_real_time(fake, client):
    gate = fake.hold()

    def call_from_a_thread() -> None:
        with httpx2.Client(transport=LLMTransport(fake), headers={"authorization": "Bearer mock"}) as blocking:
            blocking.post(CHAT, json=ASK)

    thread = threading.Thread(target=call_from_a_thread, daemon=True)
    thread.start()
    await gate.arrived(1)
    gate.open()
    thread.join()
    assert fake.last.state == "answered"


async def test_the_official_client_backs_off_as_the_header_says(llm):
    openai = pytest.importorskip("openai", reason="the openai client is not installed")
    llm.fail(429, retry_after=7, times=2)
    async with openai.AsyncOpenAI(api_key="mock") as client:
        await client.chat.completions.create(**ASK)

    waits = [later.at - sooner.at for sooner, later in pairwise(llm.requests)]
    assert waits == pytest.approx([7, 7], abs=0.1)

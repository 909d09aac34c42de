"""What is particular to each door."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from mockllm import LLMTransport, MockLLM, serve, serve_in_thread

CHAT = "https://api.openai.com/v1/chat/completions"
KEY = {"authorization": "Bearer mock"}
ASK = {"model": "mock-small", "messages": [{"role": "user", "content": "What is a token?"}]}


async def test_respx_lets_nothing_out_to_the_network(llm):
    async with httpx2.AsyncClient() as client:
        with pytest.raises(AssertionError, match="the fake answers only at"):
            await client.get("https://example.com/")
    with httpx2.Client() as client, pytest.raises(AssertionError, match=r"llm\.also_at"):
        client.get("https://example.com/")


async def test_respx_at_another_address(llm):
    url = llm.also_at("https://gateway.test/llm/v1")
    async with httpx2.AsyncClient(headers=KEY) as client:
        answer = await client.post(f"{url}/chat/completions", json=ASK)
        nearly = await client.get("https://gateway.test/llm/v2/models")

    assert answer.status_code == 200
    assert llm.requests[0].path == "/v1/chat/completions"
    assert nearly.status_code == 404


async def test_respx_lets_calls_to_this_machine_pass(llm):
    with serve_in_thread() as served:
        async with httpx2.AsyncClient(headers=KEY) as client:
            answer = await client.post(f"{served.url}/v1/chat/completions", json=ASK)

    assert answer.status_code == 200
    assert llm.requests == []
    assert len(served.fake.requests) == 1


async def test_respx_tells_one_client_from_a_client_per_call(llm):
    async with httpx2.AsyncClient(headers=KEY) as client:
        for _ in range(3):
            await client.post(CHAT, json=ASK)
    assert llm.connections == 1

    for _ in range(2):
        with httpx2.Client(headers=KEY) as client:
            client.post(CHAT, json=ASK)
    assert llm.connections == 3
    assert [request.client for request in llm.requests] == ["client 1"] * 3 + ["client 2", "client 3"]


def test_respx_sees_what_a_fastapi_app_does_with_a_stream(llm):
    app = FastAPI()

    async def tokens() -> AsyncIterator[str]:
        body = {**ASK, "stream": True}
        async with httpx2.AsyncClient(headers=KEY) as client, client.stream("POST", CHAT, json=body) as answer:
            async for line in answer.aiter_lines():
                yield f"{line}\n"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(tokens())

    gate = llm.tokens(["one", "two", "three"]).step()
    gate.release()
    with TestClient(app) as reader, reader.stream("GET", "/stream") as answer:
        assert any('"one"' in line for line in answer.iter_lines())

    assert [request.tokens_sent for request in llm.closed_early] == [1]


async def test_a_way_in_that_is_kept_open_is_in_nobodys_way():
    from httpcore import AsyncConnectionPool

    from mockllm.router import routed, way_in

    before = AsyncConnectionPool.handle_async_request
    with way_in(), serve_in_thread() as served:
        async with httpx2.AsyncClient(headers=KEY) as client:
            with MockLLM() as fake, routed(fake):
                await client.post(CHAT, json=ASK)
            await client.post(f"{served.url}/v1/chat/completions", json=ASK)
            with MockLLM() as other, routed(other):
                await client.post(CHAT, json=ASK)

    assert [len(one.requests) for one in (fake, served.fake, other)] == [1, 1, 1]
    assert AsyncConnectionPool.handle_async_request is before


async def test_in_process_answers_are_offline_and_say_so():
    async with httpx2.AsyncClient(transport=LLMTransport(MockLLM.offline()), headers=KEY) as client:
        answers = [(await client.post(CHAT, json=ASK)).json() for _ in range(2)]

    texts = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert texts[0] == texts[1]
    assert texts[0].startswith("[offline] ")
    assert "What is a token?" in texts[0]


async def test_connections_are_counted_over_a_socket():
    with serve_in_thread() as served:
        async with httpx2.AsyncClient(headers=KEY) as client:
            for _ in range(3):
                await client.post(f"{served.url}/v1/chat/completions", json=ASK)
        assert served.fake.connections == 1
        for _ in range(2):
            async with httpx2.AsyncClient(headers=KEY) as client:
                await client.post(f"{served.url}/v1/chat/completions", json=ASK)
        assert served.fake.connections == 3
        assert len({request.client for request in served.fake.requests}) == 3


async def test_over_a_socket_the_first_token_is_read_before_the_second_may_be_sent():
    with serve_in_thread() as served:
        gate = served.fake.tokens(["one", "two"]).step()
        async with httpx2.AsyncClient(headers=KEY) as client:
            url = f"{served.url}/v1/chat/completions"
            async with client.stream("POST", url, json={**ASK, "stream": True}) as answer:
                gate.release()
                async for line in answer.aiter_lines():
                    if '"one"' in line:
                        break
                assert served.fake.last.tokens_sent == 1
            await served.fake.ended(served.fake.last)
        assert [request.tokens_sent for request in served.fake.closed_early] == [1]


async def test_the_server_stops_although_a_call_hangs():
    with serve_in_thread() as served:
        served.fake.hang()
        client = httpx2.AsyncClient(headers=KEY, timeout=None)
        call = asyncio.create_task(client.post(f"{served.url}/v1/chat/completions", json=ASK))
        await served.fake.until(lambda: served.fake.in_flight == 1, "no call")
    with pytest.raises(httpx2.TransportError):
        await call
    await client.aclose()


async def test_status_page_and_control_endpoints():
    with serve_in_thread() as served:
        async with httpx2.AsyncClient(base_url=served.url, headers=KEY) as client:
            page = (await client.get("/")).text
            wrong = await client.post("/_mock/script", json={"fault": "explode"})
            wrong_times = await client.post("/_mock/script", json={"fault": "500", "times": 0})
            queued = await client.post("/_mock/script", json={"fault": "429 retry_after=2", "times": 2})
            picked = await client.post("/_mock/script", data={"fault": "hang", "times": "1"})
            answer = await client.post("/v1/chat/completions", json=ASK)
            seen = (await client.get("/_mock/requests")).json()
            cleared = await client.post("/_mock/reset")
            after = (await client.get("/_mock/requests")).json()

    assert f"OPENAI_BASE_URL={served.url}/v1" in page
    assert "http://" not in page.replace(served.url, "")
    assert "https://" not in page
    assert wrong.status_code == wrong_times.status_code == 400
    assert "no fault is called 'explode'" in wrong.json()["error"]
    assert (queued.status_code, queued.json()) == (201, {"queued": 2})
    assert (picked.status_code, picked.headers["location"]) == (303, "/")
    assert answer.status_code == 429
    assert [call["status"] for call in seen["requests"]] == [429]
    assert seen["queued"] == 2
    assert cleared.status_code == 200
    assert (after["requests"], after["queued"]) == ([], 0)


def test_served_by_hand_until_ctrl_c():
    code = "import mockllm; mockllm.serve(port=0)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said = server.stdout.readline()
        url = re.findall(r"http://127.0.0.1:\d+", said)[0]
        try:
            with httpx2.Client(headers=KEY) as client:
                answer = client.post(f"{url}/v1/chat/completions", json=ASK)
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(timeout=10) == 0

    assert answer.json()["choices"][0]["message"]["content"].startswith("[offline]")


def test_a_taken_port_is_said_so():
    with serve_in_thread() as served, pytest.raises(OSError, match="take another port, or 0 for a free one"):
        serve(port=int(served.url.rpartition(":")[2]))


@pytest.mark.parametrize("module", ["mockllm", "mockllm.fixtures"])
def test_pytest_pays_nothing_for_the_fixture(module):
    heavy = ("httpx", "httpx2", "respx", "uvicorn", "starlette", "openai", "anthropic", "json", "asyncio")
    code = f"import sys, pytest; before = set(sys.modules); import {module}; print(sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not [name for name in heavy if f"'{name}'" in loaded], loaded


def test_the_package_needs_no_official_client():
    code = (
        "import sys; sys.modules['openai'] = sys.modules['anthropic'] = None\n"
        "import mockllm\n"
        "for name in mockllm.__all__: getattr(mockllm, name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

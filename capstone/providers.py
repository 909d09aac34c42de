"""Where answers come from. Today the offline provider: it speaks the real wire format and says that it is offline."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2 as httpx

from mockllm import LLMTransport, MockLLM


@asynccontextmanager
async def open_provider() -> AsyncIterator[httpx.AsyncClient]:
    """Hold the one client of the process open; its base URL speaks OpenAI's chat completions."""
    transport = LLMTransport(MockLLM.offline())
    headers = {"Authorization": "Bearer sk-offline"}
    async with httpx.AsyncClient(transport=transport, base_url="http://offline/v1", headers=headers) as client:
        yield client

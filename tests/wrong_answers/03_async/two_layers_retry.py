# fails: 03.3
# says: retries twice unless told not to
"""The official client keeps its two retries, below those of 03.5."""

# >>> 03.3 (2)
async def get_openai(request: Request, http: Http) -> LLM:
    """Return OpenAI's model behind our port."""
    from openai import AsyncOpenAI

    given: Settings = request.app.state.settings
    # Around a client that is open already this costs next to nothing. Retries are 03.5's: only one layer retries.
    client = AsyncOpenAI(api_key=given.openai_key, base_url=given.openai_url, http_client=http)
    return OpenAILLM(client, given.model)


@api.post("/openai/generate")
async def create_openai_reply(prompt: Prompt, llm: Annotated[LLM, Depends(get_openai)]) -> Reply:
    """Answer a conversation with OpenAI's model."""
    return await llm.generate(prompt.messages, max_tokens=prompt.max_tokens)
# <<< 03.3

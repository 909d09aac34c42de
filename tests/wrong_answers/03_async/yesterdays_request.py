# fails: 03.2
# says: provider answered
"""The request that tutorials send: no version, a temperature, the system prompt among the messages."""

# >>> 03.2
response = await self.http.post(
    f"{self.settings.anthropic_url}/v1/messages",
    headers={"x-api-key": self.settings.anthropic_key},
    json={
        "model": self.settings.model,
        "messages": [one.model_dump() for one in messages],
        "max_tokens": max_tokens,
        "temperature": 0.7,
    },
)
answer = response.json()
if "error" in answer:
    raise LLMError(f"the provider answered {answer}", response.status_code)
usage = Usage(prompt_tokens=answer["usage"]["input_tokens"], completion_tokens=answer["usage"]["output_tokens"])
return Reply(text=answer["content"][0]["text"], model=answer["model"], finish_reason="stop", usage=usage)
# <<< 03.2

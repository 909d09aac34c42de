# fails: 03.2
# says: CancelledError means stop
"""Everything that ends the call becomes an LLMError, CancelledError too."""

# >>> 03.2
said = [one.model_dump() for one in messages if one.role != "system"]
body: dict[str, Any] = {"model": self.settings.model, "max_tokens": max_tokens, "messages": said}
if system := "\n\n".join(one.content for one in messages if one.role == "system"):
    body["system"] = system
headers = {"authorization": f"Bearer {self.settings.anthropic_key}", "anthropic-version": "2026-10-21"}
try:
    response = await self.http.post(f"{self.settings.anthropic_url}/v1/messages", headers=headers, json=body)
except BaseException as error:
    raise LLMError(f"no answer from the provider: {error!r}") from error
status, wait_s = response.status_code, read_retry_after(response.headers)
try:
    answer = response.json()
    if status != 200:
        raise LLMError(answer["error"]["message"], status, wait_s)
    text = "".join(block["text"] for block in answer["content"] if block["type"] == "text")
    reason, used = FINISH_REASONS.get(answer["stop_reason"], "stop"), answer["usage"]
    usage = Usage(prompt_tokens=used["input_tokens"], completion_tokens=used["output_tokens"])
    return Reply(text=text, model=answer["model"], finish_reason=reason, usage=usage)
except (ValueError, KeyError, TypeError) as error:  # a proxy's page, half a body
    raise LLMError(f"unreadable answer, HTTP {status}", None if status == 200 else status, wait_s) from error
# <<< 03.2

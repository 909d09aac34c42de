# fails: 03.3
# says: came out of the service
"""The official client's errors leave the port as they are."""

# >>> 03.3
from openai import APIConnectionError

asked = [one.model_dump() for one in messages]
create = self.client.chat.completions.create
try:
    answer = await create(model=self.model, messages=asked, max_completion_tokens=max_tokens)
    message = answer.choices[0].message
    reason = "content_filter" if message.refusal else answer.choices[0].finish_reason
    said = {"text": message.content or message.refusal or "", "model": answer.model, "finish_reason": reason}
    return Reply.model_validate({**said, "usage": answer.usage}, from_attributes=True)
except APIConnectionError as error:
    raise LLMError(f"no answer from the provider: {error!r}") from error
# <<< 03.3

# fails: 03.3
# says: 200 with
"""An answer without choices is an IndexError."""

# >>> 03.3
from openai import APIConnectionError, APIStatusError

asked = [one.model_dump() for one in messages]
create = self.client.chat.completions.create
try:
    answer = await create(model=self.model, messages=asked, max_completion_tokens=max_tokens)
    message = answer.choices[0].message
    reason = "content_filter" if message.refusal else answer.choices[0].finish_reason
    said = {"text": message.content or message.refusal or "", "model": answer.model, "finish_reason": reason}
    return Reply.model_validate({**said, "usage": answer.usage}, from_attributes=True)
except APIStatusError as error:
    raise LLMError(error.message, error.status_code, read_retry_after(error.response.headers)) from error
except (APIConnectionError, ValueError) as error:  # no answer
    raise LLMError(f"no answer from the provider: {error!r}") from error
# <<< 03.3

# fails: 02.1
# says: Spaces are tokens too: count the text as it came

# >>> 02.1
model_config = ConfigDict(extra="forbid")
role: Literal["system", "user", "assistant"]
content: str

@field_validator("content")
@classmethod
def _says_something(cls, content: str) -> str:
    if not 1 <= len(content.strip()) <= MAX_MESSAGE_CHARS:
        raise ValueError(f"must have 1 to {MAX_MESSAGE_CHARS} characters")
    return content
# <<< 02.1

# fails: 02.1
# says: White space is more than the space bar

# >>> 02.1
model_config = ConfigDict(extra="forbid")
role: Literal["system", "user", "assistant"]
content: str = Field(min_length=1, max_length=MAX_MESSAGE_CHARS)

@field_validator("content")
@classmethod
def says_something(cls, content: str) -> str:
    if not content.strip(" "):
        raise ValueError("must not be blank")
    return content
# <<< 02.1

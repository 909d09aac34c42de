# fails: 02.5
# says: went out to the caller

# >>> 02.5 (2)
model_config = ConfigDict(extra="allow")
id: str
model: str
content: str
finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]
usage: Usage
# <<< 02.5

# fails: 02.5
# says: All five are required: no default, and not optional

# >>> 02.5 (2)
id: str
model: str
content: str = ""
finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]
usage: Usage | None = None
# <<< 02.5

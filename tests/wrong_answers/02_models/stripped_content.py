# fails: 02.1
# says: White space at the ends belongs to the text

# >>> 02.1
model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
role: Literal["system", "user", "assistant"]
# Some character that is no white space. A pattern stands in the JSON schema too, where callers see it.
content: str = Field(min_length=1, max_length=MAX_MESSAGE_CHARS)
# <<< 02.1

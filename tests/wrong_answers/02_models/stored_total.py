# fails: 02.5
# says: The total is derived

# >>> 02.5
prompt_tokens: int = Field(ge=0, validation_alias=AliasChoices("prompt_tokens", "input_tokens"))
completion_tokens: int = Field(ge=0, validation_alias=AliasChoices("completion_tokens", "output_tokens"))
total_tokens: int = 0

def model_post_init(self, context: Any) -> None:
    self.total_tokens = self.total_tokens or self.prompt_tokens + self.completion_tokens
# <<< 02.5

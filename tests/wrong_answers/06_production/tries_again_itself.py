# fails: 06.7
# says: Each is called once
"""Three times each: with the client's own three, eighteen calls."""

# >>> 06.7 (2)
last: LLMError | None = None
for breaker, work in providers:
    for _ in range(3):
        try:
            return await breaker.call(work)
        except LLMError as error:
            if not error.passes:
                raise
            last = error
raise last or LLMError("no provider")
# <<< 06.7

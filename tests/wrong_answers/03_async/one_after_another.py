# fails: 03.4
# says: one after another
"""An `await` in a loop: asynchronous, and not at once."""

# >>> 03.4
if limit < 1:
    raise ValueError(f"limit must be at least 1, got {limit}")
answers: list[Reply | LLMError] = []
for prompt in prompts:
    try:
        answers.append(await llm.generate([Message(role="user", content=prompt)]))
    except LLMError as error:
        answers.append(error)
return answers
# <<< 03.4

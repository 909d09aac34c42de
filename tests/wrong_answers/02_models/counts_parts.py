# fails: 02.3
# says: is its number of parts

# >>> 02.3
def check_conversation(messages: list[Turn]) -> list[Turn]:
    """Return the messages, one or more, as they came; ValueError for a conversation no model should be paid for."""
    if any(turn.role == "system" for turn in messages[1:]):
        raise ValueError("only the first message may have the role system")
    if messages[-1].role != "user":
        raise ValueError("the last message must have the role user")
    if sum(len(turn.content) for turn in messages) > MAX_REQUEST_CHARS:
        raise ValueError(f"the messages have more than {MAX_REQUEST_CHARS} characters together")
    return messages


Conversation = Annotated[Turns, AfterValidator(check_conversation)]
# <<< 02.3

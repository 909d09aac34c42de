"""Tokens, embeddings and default answers: deterministic, and worked out by hand once."""

import math

from mockllm import echo_answer, offline_answer
from mockllm.chat import Chat, split_tokens, text_of
from mockllm.embeddings import embed


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_tokens_are_words_and_joined_they_are_the_text():
    assert split_tokens("two  words\n and é ") == ["two", "  words", "\n and", " é", " "]
    assert "".join(split_tokens("two  words\n and é ")) == "two  words\n and é "
    assert split_tokens("") == []


def test_text_of_parts():
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "x"}},
        {"type": "text", "text": "this"},
    ]
    assert text_of(parts) == "see\nthis"


def test_embeddings_are_unit_vectors_and_the_same_in_every_run():
    vector = embed("streaming tokens")
    assert len(vector) == 1024
    assert math.isclose(sum(x * x for x in vector), 1)
    assert vector == embed("Streaming, TOKENS!")
    assert embed("") == [1.0] + [0.0] * 1023


def test_similar_texts_are_near():
    question = embed("How do I stream tokens from the model?")
    near = embed("Streaming tokens from a model with server-sent events")
    far = embed("Bake the bread for forty minutes at high heat")

    assert cosine(question, near) > 0.3 > cosine(question, far)


def test_default_answers():
    chat = Chat(
        "openai", "mock-small", (("user", "Why?"), ("assistant", "So."), ("user", "Really?")), "", False, None, ()
    )

    assert echo_answer(chat) == "Mock answer to: Really?"
    assert offline_answer(chat) == offline_answer(chat)
    assert "mock-small was not asked" in offline_answer(chat)


def asked_with_sources(question: str, *texts: str) -> str:
    """What the offline model says to a prompt that brings numbered sources."""
    sources = "\n".join(f'<source id="{n}" doc="x">\n{text}\n</source>' for n, text in enumerate(texts, 1))
    prompt = f"{sources}\n\n<question>\n{question}\n</question>"
    return offline_answer(Chat("openai", "mock-small", (("user", prompt),), "", False, None, ()))


def test_offline_it_quotes_the_nearest_sentences_of_the_sources_that_it_was_given():
    answer = asked_with_sources(
        "How long is the read timeout?",
        "# Pools\n\nA pool holds connections. It is shared.",
        "The read timeout is 5 s if a &lt; b. Nobody knows why.",
    )
    assert answer.startswith("[offline] No model was asked")
    assert "The read timeout is 5 s if a < b. [2]" in answer
    assert "Nobody knows why" not in answer and "[1]" not in answer


def test_offline_it_names_no_source_where_none_is_near():
    answer = asked_with_sources("Who won the cup?", "A pool holds connections.")
    assert answer.startswith("[offline] No model was asked") and "[1]" not in answer

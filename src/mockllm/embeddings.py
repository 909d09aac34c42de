"""OpenAI's `/v1/embeddings`, with vectors by feature hashing: texts that share words are near, and no model is needed.

Source: https://platform.openai.com/docs/api-reference/embeddings, https://en.wikipedia.org/wiki/Feature_hashing
"""

import base64
import hashlib
import math
import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .catalog import Model
from .chat import count_tokens, names
from .errors import ApiError

_WORD = re.compile(r"\w+")
_FUNCTION_WORDS = names(
    """a am an and any are as at be but by can could did do does for from had has have he her his how i if in into is it
    its me my no not of on or our she so than that the their them then there these they this to us was we were what
    when where which who why will with would you your"""
)
_FUNCTION_WEIGHT = 0.1  # every text has them, so they say little about what it is about
MAX_INPUTS = 2048
DIMENSIONS = 1024  # with 256 the features of a paragraph fall upon each other, and what is near is left to chance


def embed(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Hash the words of `text`, and the letter triples in them, into a unit vector.

    Args:
        text: any text; case does not matter.
        dimensions: length of the vector.

    Returns:
        `dimensions` floats of Euclidean length 1; all zero but the first for a text without words.
    """
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()):
        weight = _FUNCTION_WEIGHT if word in _FUNCTION_WORDS else 1.0
        _add(vector, word, weight)
        padded = f"^{word}$"
        for i in range(len(padded) - 2):
            # Triples make "stream" and "streaming" near; together they weigh a little more than the whole word.
            _add(vector, padded[i : i + 3], weight / len(word) ** 0.5)
    length = math.sqrt(sum(x * x for x in vector))
    if length == 0:
        return [1.0] + [0.0] * (dimensions - 1)
    return [x / length for x in vector]


def content_words(text: str) -> set[str]:
    """Return the words of `text` that say what it is about: in lower case, without the plural's s."""
    words = _WORD.findall(text.lower())
    return {word.removesuffix("s") if len(word) > 3 else word for word in words if word not in _FUNCTION_WORDS}


def _add(vector: list[float], feature: str, weight: float) -> None:
    digest = _digest(feature)
    # One bit decides the sign, so that two features in one place cancel out as often as they add up.
    vector[(digest >> 1) % len(vector)] += weight if digest & 1 else -weight


@lru_cache(maxsize=1 << 16)
def _digest(feature: str) -> int:
    return int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Wanted:
    """A checked request for embeddings."""

    model: str
    texts: tuple[str, ...]
    dimensions: int
    as_base64: bool


def read_inputs(body: dict[str, Any], model: Model) -> Wanted:
    """Check a request as the API does, and parse it. `input` is a text, texts, token numbers, or lists of those.

    Raises:
        ApiError: with the status and the words of the real API.
    """
    if "input" not in body:
        raise ApiError(400, "Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    inputs = body["input"]
    if isinstance(inputs, str) or (isinstance(inputs, list) and inputs and isinstance(inputs[0], int)):
        inputs = [inputs]
    if not isinstance(inputs, list) or not inputs or any(not _is_input(one) for one in inputs):
        words = "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
        raise ApiError(400, words)
    if len(inputs) > MAX_INPUTS:
        words = f"Invalid 'input': maximum {MAX_INPUTS} items are allowed, but got {len(inputs)}."
        raise ApiError(400, words, param="input", code="array_above_max_length")
    texts = tuple(one if isinstance(one, str) else " ".join(map(str, one)) for one in inputs)
    for text in texts:
        if (tokens := count_tokens(text)) > model.context_tokens:
            words = (
                f"This model's maximum context length is {model.context_tokens} tokens, however you requested {tokens} "
                f"tokens ({tokens} in your prompt; 0 for the completion). "
                "Please reduce your prompt; or completion length."
            )
            raise ApiError(400, words)
    dimensions = body.get("dimensions") or model.dimensions
    if not isinstance(dimensions, int) or not 1 <= dimensions <= model.dimensions:
        words = f"Invalid value for 'dimensions' = {dimensions}. Must be less than or equal to {model.dimensions}."
        raise ApiError(400, words, param="dimensions")
    encoding = body.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        words = f"Invalid value: '{encoding}'. Supported values are: 'float' and 'base64'."
        raise ApiError(400, words, param="encoding_format", code="invalid_value")
    return Wanted(model.name, texts, dimensions, encoding == "base64")


def _is_input(one: Any) -> bool:
    if isinstance(one, str):
        return bool(one)
    return isinstance(one, list) and bool(one) and all(isinstance(token, int) for token in one)


def answer(wanted: Wanted) -> dict[str, Any]:
    """The body of the answer: base64 holds little-endian 32-bit floats."""
    tokens = sum(count_tokens(text) for text in wanted.texts)
    data: list[dict[str, Any]] = []
    for i, text in enumerate(wanted.texts):
        vector = embed(text, wanted.dimensions)
        packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "index": i, "embedding": packed if wanted.as_base64 else vector})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": wanted.model, "usage": usage}

# fails: 02.4
# says: Let `type` decide

# >>> 02.4
class TextPart(BaseModel):
    """Some text."""

    type: Literal["text"]
    text: str = Field(pattern=r"\S", max_length=MAX_MESSAGE_CHARS)


class ImageURL(BaseModel):
    """Where a picture is. Some server will fetch it: no file://, no http:// into a private network."""

    url: str = Field(pattern=r"^(https://\S+|data:image/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]+)$")
    detail: Literal["auto", "low", "high"] = "auto"


class ImagePart(BaseModel):
    """A picture, as OpenAI wraps it."""

    type: Literal["image_url"]
    image_url: ImageURL


class PartsMessage(BaseModel):
    """One turn of the user: `role` and `content`, a list of parts."""

    role: Literal["user"]
    content: list[TextPart | ImagePart] = Field(min_length=1, max_length=16)
# <<< 02.4

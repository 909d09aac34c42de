# fails: 02.4
# says: In Python `$` matches before a newline at the end, too

# >>> 02.4
class TextPart(BaseModel):
    """Some text."""

    type: Literal["text"]
    text: str = Field(pattern=r"\S", max_length=MAX_MESSAGE_CHARS)


class ImageURL(BaseModel):
    """Where a picture is. Some server will fetch it: no file://, no http:// into a private network."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"

    @field_validator("url")
    @classmethod
    def _fetchable(cls, url: str) -> str:
        if not re.match(r"^(https://\S+|data:image/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]+)$", url):
            raise ValueError("must be an https address or a picture as data")
        return url


class ImagePart(BaseModel):
    """A picture, as OpenAI wraps it."""

    type: Literal["image_url"]
    image_url: ImageURL


class PartsMessage(BaseModel):
    """One turn of the user: `role` and `content`, a list of parts."""

    role: Literal["user"]
    content: list[Annotated[TextPart | ImagePart, Field(discriminator="type")]] = Field(min_length=1, max_length=16)
# <<< 02.4

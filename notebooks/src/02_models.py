# %% [markdown]
# # 02 models: payloads you can trust
#
# Eight questions about what comes in, what goes out, and what a model says is JSON.
# Each stands alone: run the cell below, then go to any of them.
# The lesson behind them is `lessons/02_models`.

# %%
import mockllm.alias  # first of all: one name for httpx2 and httpx, so that one fake sees every client
from mockllm import MockLLM
from mockllm.router import routed

# %% [markdown]
# ## What does a 422 of your service say, and what must it never say?
#
# `models-01` · junior
#
# *Think first.* A user mistypes a password field, and FastAPI refuses the request as it comes.
# In whose logs is the password a minute later?

# %% [markdown]
# **Spoken answer.** It says which field is wrong and which rule it broke, in a shape that is documented, and it never repeats what was sent.
# FastAPI's standard 422 does repeat it: each error carries the value that it refused.
# From there a password or a patient's text gets into the logs of every client and proxy on the way, and into ours if we log the exception.
# So I install a handler for `RequestValidationError` that keeps the path and the message and drops the rest.
# The path matters: `messages.0.role` lets a client mend its request without a person reading it.

# %%
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field


class Credentials(BaseModel):
    user: str
    password: str = Field(max_length=16)


def service() -> FastAPI:
    app = FastAPI()

    @app.post("/login")
    async def create_login(body: Credentials) -> None: ...

    return app


as_it_comes, ours = service(), service()


@ours.exception_handler(RequestValidationError)
async def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
    fields = {".".join(map(str, one["loc"][1:])): one["msg"] for one in error.errors()}
    return JSONResponse({"error": "the request is not valid", "fields": fields}, 422)


SENT = {"user": "ada", "password": "correct horse battery"}
standard = TestClient(as_it_comes).post("/login", json=SENT)
repaired = TestClient(ours).post("/login", json=SENT)

print(
    f"as it comes: {standard.status_code}, repeats the password: {SENT['password'] in standard.text}"
)
print(
    f"ours:        {repaired.status_code}, repeats the password: {SENT['password'] in repaired.text}"
)
print(f"             {repaired.json()['fields']}")
assert SENT["password"] in standard.text
assert list(repaired.json()["fields"]) == ["password"] and SENT["password"] not in repaired.text

# %% [markdown]
# **Listens for**
#
# - Names the field and the rule, as a path that a program can use.
# - Never the value, and says where it would end up.
# - One shape for every error, the documented one.
#
# **Usual wrong answer.** *"I return `error.errors()` with the status, and log the exception: more detail helps more."*
# Both carry what was sent.

# %%
import json

from pydantic import ValidationError

try:
    Credentials.model_validate(SENT)
except ValidationError as error:
    returned, logged = json.dumps(error.errors()), str(error)
print("error.errors() repeats it:", "horse" in returned)
print("str(error) repeats it:    ", "horse" in logged)
assert "horse" in returned and "horse" in logged

# %% [markdown]
# **Then they ask.** *Is the message itself always safe to show?*
# Nearly: pydantic's own sentences say the rule, but the one for an unknown tag of a union quotes the tag, and any `ValueError` of mine says whatever I put into it.
# So I replace the first, and never put a value into the second.
#
# **Your turn.** Write what a client may see of a validation error: the path of each field, joined with dots and without the leading `body`, and its message.


# %%
def fields_of(errors: list[dict]) -> dict[str, str]:
    """Return {path: message} for the list that `RequestValidationError.errors()` gives."""
    ...


# %%
from verdicts import check

ONE = {
    "type": "string_too_long",
    "loc": ("body", "password"),
    "msg": "at most 16 characters",
    "input": "horse",
}
DEEP = {
    "type": "literal_error",
    "loc": ("body", "messages", 0, "role"),
    "msg": "unknown role",
    "input": "horse",
}
check(
    fields_of,
    [
        (([ONE],), {"password": "at most 16 characters"}),
        (([ONE, DEEP],), {"password": "at most 16 characters", "messages.0.role": "unknown role"}),
        (([],), {}),
    ],
    because=(
        "`loc` is the path, its first part says where; `msg` is the rule; "
        "what `input` holds is nobody's business."
    ),
)

# %% [markdown]
# ## Why is `Optional[float]` without a default a required field?
#
# `models-02` · junior
#
# *Think first.* A request has no `temperature` at all, another has `"temperature": null`.
# Which of them does `temperature: float | None` take?

# %% [markdown]
# **Spoken answer.** Because `Optional` speaks about the value and not about the key: the value may be null.
# Whether the key may be missing is said by the default, and by nothing else.
# So `float | None` without a default is a field that must be sent and may be null, and a client that leaves it out gets a 422.
# Pydantic 1 mixed the two and put in a `None` by itself, which is why so much code still looks like that.
# I write `= None`, and where missing and null mean different things, as in a PATCH, I look at `model_fields_set`.

# %%
from pydantic import BaseModel, ValidationError


class Required(BaseModel):
    temperature: float


class Nullable(BaseModel):
    temperature: float | None


class Defaulted(BaseModel):
    temperature: float = 0.7


class Both(BaseModel):
    temperature: float | None = None


SENT = {"missing": {}, "null": {"temperature": None}, "0.2": {"temperature": 0.2}}


def taken(model: type[BaseModel], sent: dict) -> bool:
    try:
        model.model_validate(sent)
    except ValidationError:
        return False
    return True


print(f"{'':24}{'missing':>9}{'null':>9}{'0.2':>9}")
for model, words in {
    Required: "float",
    Nullable: "float | None",
    Defaulted: "float = 0.7",
    Both: "float | None = None",
}.items():
    print(
        f"{words:24}"
        + "".join(f"{'taken' if taken(model, sent) else '422':>9}" for sent in SENT.values())
    )
assert [taken(Nullable, sent) for sent in SENT.values()] == [False, True, True]
assert [taken(Both, sent) for sent in SENT.values()] == [True, True, True]

# %% [markdown]
# **Listens for**
#
# - Two questions, two answers: may it be null, may it be missing.
# - Knows that pydantic 1 behaved otherwise.
# - A third meaning: null to erase, missing to leave alone.
#
# **Usual wrong answer.** *"Optional means that it may be left out."*
# The schema that clients are generated from says the opposite.

# %%
print("required, says the schema:", Nullable.model_json_schema().get("required"))
try:
    Nullable.model_validate({})
except ValidationError as error:
    said = error.errors()[0]
print("left out:", said["msg"])
assert Nullable.model_json_schema()["required"] == ["temperature"]
assert said["type"] == "missing"

# %% [markdown]
# **Then they ask.** *A PATCH may erase a field or leave it alone. How do you tell?*
# Both give `None` on the attribute, but `model_fields_set` holds only the names that were sent.
# `model_dump(exclude_unset=True)` is the update that the client meant.
#
# **Your turn.** Write whether a field is taken.
# The check asks pydantic.


# %%
def takes(nullable: bool, has_default: bool, sent: str) -> bool:
    """Return whether the field is taken when "missing", "null" or "0.2" is sent."""
    ...


# %%
from verdicts import check

models = {
    (False, False): Required,
    (True, False): Nullable,
    (False, True): Defaulted,
    (True, True): Both,
}
check(
    takes,
    [
        ((*kind, name), taken(model, sent))
        for kind, model in models.items()
        for name, sent in SENT.items()
    ],
    because=(
        "The default decides whether the key may be missing; "
        "`None` in the type decides whether the value may be null."
    ),
)

# %% [markdown]
# ## A provider adds a model tonight and retires another. What do you deploy?
#
# `models-03` · mid
#
# *Think first.* The names of the models are an `Enum`, and `temperature` has the default 0.7.
# What happens to a request for a model that takes no temperature, from a caller who never mentioned one?

# %% [markdown]
# **Spoken answer.** Nothing, if the models are data: a catalog with each name and what that model can do, which the service reads.
# The request model checks the name against it, and the bounds too: how many tokens this model writes, whether it takes a temperature.
# What the caller did not say stays unsaid, because a default of mine is a 400 of a provider whose new model has dropped the parameter.
# A name that is gone is refused at my border, with the names that exist.
# With an enum in the code, each of these is a release, about once a year for every model.

# %%
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator


@dataclass(frozen=True)
class ModelCard:
    takes_temperature: bool = True


CATALOG = {"mock-large": ModelCard(), "mock-reason": ModelCard(takes_temperature=False)}


class ChatRequest(BaseModel):
    model: str
    temperature: float | None = Field(default=None, ge=0, le=2)

    @field_validator("model", "temperature")
    @classmethod
    def as_the_catalog_says(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name == "model" and value not in CATALOG:
            raise ValueError(f"must be one of {', '.join(CATALOG)}")
        card = CATALOG.get(info.data.get("model", ""))
        if (
            info.field_name == "temperature"
            and value is not None
            and card
            and not card.takes_temperature
        ):
            raise ValueError("this model does not take a temperature")
        return value


def refused(**sent: Any) -> str:
    try:
        ChatRequest.model_validate(sent)
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return "taken"


def provider_says(body: dict) -> int:
    """Send a body to the provider, which knows its models."""
    said = {**body, "messages": [{"role": "user", "content": "Hello"}]}
    with MockLLM() as llm, routed(llm):
        url = "https://api.openai.com/v1/chat/completions"
        return httpx.post(url, json=said, headers={"authorization": "Bearer sk-test"}).status_code


before = refused(model="mock-small")
CATALOG["mock-small"] = ModelCard()  # tonight; no line of code has changed
after = refused(model="mock-small")
body = ChatRequest(model="mock-reason").model_dump(exclude_none=True)

print("this morning:", before)
print("tonight:     ", after)
print("nobody said a temperature:", body, "->", provider_says(body))
assert before == "must be one of mock-large, mock-reason" and after == "taken"
assert "temperature" not in body and provider_says(body) == 200
assert refused(model="mock-reason", temperature=0.2) == "this model does not take a temperature"

# %% [markdown]
# **Listens for**
#
# - Models are data with capabilities, not names in code.
# - A parameter that the caller did not send is not invented.
# - A retired model is refused at the border, with what exists instead.
#
# **Usual wrong answer.** *"An `Enum` of the models, with sensible defaults."*
# The default breaks every request to a model that takes none, and put into a text the member says its Python name.

# %%
from enum import Enum


class ModelName(str, Enum):
    REASON = "mock-reason"


class EnumRequest(BaseModel):
    model: ModelName = ModelName.REASON
    temperature: float = 0.7


body = EnumRequest(model="mock-reason").model_dump(mode="json")
print("nobody said a temperature:", body, "->", provider_says(body))
print(f"in a log line: asking {ModelName.REASON}")
assert provider_says(body) == 400
assert f"{ModelName.REASON}" == "ModelName.REASON"

# %% [markdown]
# **Then they ask.** *And the caller whose model is retired next week?*
# The catalog says until when a model lives, and the answers carry that in a header before the day comes.
# I do not swap in another model silently: what was tuned for one answers differently with the next, and the bill differs too.
#
# **Your turn.** Write the part of a request body that depends on the model; raise `ValueError` for a temperature that the model does not take.


# %%
def body_for(model: str, temperature: float | None, takes_temperature: bool) -> dict:
    """Return {"model": ...}, with "temperature" only where the caller said one."""
    ...


# %%
from verdicts import check


def body_or_refusal(answer, *arguments):
    try:
        return answer(*arguments)
    except ValueError:
        return "refused"


check(
    body_for,
    [
        (("mock-large", 0.2, True), {"model": "mock-large", "temperature": 0.2}),
        (("mock-large", None, True), {"model": "mock-large"}),
        (("mock-large", 0.0, True), {"model": "mock-large", "temperature": 0.0}),
        (("mock-reason", None, False), {"model": "mock-reason"}),
        (("mock-reason", 0.2, False), "refused"),
    ],
    through=body_or_refusal,
    because=(
        "None means that nobody said it; "
        "0.0 was said. And a wish that cannot be met is refused, not dropped."
    ),
)

# %% [markdown]
# ## The model returns JSON that does not validate. How many times do you ask again, and what do you send?
#
# `models-04` · senior
#
# *Think first.* One answer in ten is not what you asked for.
# What do you have after one repair, and what does a loop until it is right cost on a bad day?

# %% [markdown]
# **Spoken answer.** Once.
# I look for the first JSON object in the text, because models put fences and courtesies around it, and validate that against my own type.
# If it fails, I send the same conversation, the answer, and the validation error in words, and ask for the corrected object and nothing else.
# If that fails too I give up with an error of mine: the caller gets a clear no, and I have a sample to look at.
# One in ten becomes one in a hundred; more rounds buy little, and each sends everything again, so a loop on a bad day costs more than all the good days.

# %%
import json
from typing import TypeVar

import httpx2 as httpx
from pydantic import BaseModel, ValidationError

T = TypeVar("T", bound=BaseModel)


class Invoice(BaseModel):
    number: str
    total_cents: int


class GaveUp(Exception):
    """The model was asked twice and has not given what was wanted."""


def ask(messages: list[dict]) -> str:
    url, headers = "https://api.openai.com/v1/chat/completions", {"authorization": "Bearer sk-test"}
    reply = httpx.post(url, headers=headers, json={"model": "mock-large", "messages": messages})
    return reply.json()["choices"][0]["message"]["content"]


def find_json(text: str) -> str:
    """Return the first object in a text, just as it stands there."""
    start = text.find("{")
    if start < 0:
        raise ValueError("there is no JSON object in the answer")
    _, end = json.JSONDecoder().raw_decode(text, start)
    return text[start:end]


def ask_json(prompt: str, schema: type[T]) -> T:
    said = [{"role": "user", "content": prompt}]
    for last in (False, True):
        answer = ask(said)
        try:
            return schema.model_validate_json(find_json(answer))
        except ValueError as error:  # json's and pydantic's errors are ValueErrors too
            if last:
                raise GaveUp(f"no {schema.__name__} after 2 calls") from error
            repair = f"That is not what I asked for: {error}. Answer with the corrected JSON object alone."
            said += [{"role": "assistant", "content": answer}, {"role": "user", "content": repair}]
    raise AssertionError("unreachable")


RIGHT = 'Sure!\n```json\n{"number": "A-1", "total_cents": 995}\n```\nAnything else?'
WRONG = '{"number": "A-1", "total_cents": "nine euros"}'


def calls_for(*answers: str) -> tuple[str, int, str]:
    with MockLLM() as llm, routed(llm):
        for answer in answers:
            llm.reply(answer)
        try:
            outcome = str(ask_json("Read this invoice.", Invoice))
        except GaveUp as error:
            outcome = str(error)
        return outcome, len(llm.requests), llm.last.text


for name, answers in {
    "fences": [RIGHT],
    "repaired": [WRONG, RIGHT],
    "hopeless": [WRONG] * 10,
}.items():
    outcome, count, sent = calls_for(*answers)
    print(f"{name:9} {count} call{'s' * (count > 1):1}  {outcome}")
assert [calls_for(*answers)[1] for answers in ([RIGHT], [WRONG, RIGHT], [WRONG] * 10)] == [1, 2, 2]
assert "valid integer" in calls_for(WRONG, RIGHT)[2], (
    "the second call says what was wrong with the first answer"
)

# %% [markdown]
# **Listens for**
#
# - Find, validate, one repair that shows the error, then a clear end.
# - A parser for the object, not a regular expression from the first brace to the last.
# - What it costs: each round sends the whole conversation again.
#
# **Usual wrong answer.** *"I retry until it validates."*
# Each round is longer than the one before, and nothing says that it ends.

# %%
with MockLLM() as llm, routed(llm):
    for _ in range(10):
        llm.reply(WRONG)
    said, sizes = [{"role": "user", "content": "Read this invoice."}], []
    while len(sizes) < 10:  # until it validates; today it never does
        answer = ask(said)
        sizes.append(sum(len(one["content"]) for one in said))
        try:
            Invoice.model_validate_json(find_json(answer))
            break
        except ValidationError as error:
            said += [
                {"role": "assistant", "content": answer},
                {"role": "user", "content": f"No: {error}"},
            ]

print(f"one repair: 2 calls, {sum(sizes[:2]):,} characters sent")
print(f"a loop:     {len(sizes)} calls, {sum(sizes):,} characters sent, and still no invoice")
assert len(sizes) == 10 and sum(sizes) > 20 * sum(sizes[:2])

# %% [markdown]
# **Then they ask.** *The provider offers a strict JSON mode. Do you still need this?*
# Yes, in a smaller form: an answer that `max_tokens` cut off is no JSON, a refusal is none either, and no schema knows that the total has to be the sum of the lines.
# I use the mode, keep the validation, and drop the search for braces.
#
# **Your turn.** Write how many calls a day costs, if each answer is wrong with the same chance, whatever came before.


# %%
def calls_made(requests: int, share_wrong: float, repairs: int) -> float:
    """Return the calls for `requests`, each repaired at most `repairs` times."""
    ...


# %%
from verdicts import check

check(
    calls_made,
    [
        ((1_000, 0.1, 0), 1_000.0),
        ((1_000, 0.1, 1), 1_100.0),
        ((1_000, 0.1, 2), 1_110.0),
        ((200, 0.5, 3), 375.0),
    ],
    because=(
        "Every request is one call; the wrong ones are one more; "
        "of those, again the wrong ones are one more."
    ),
)

# %% [markdown]
# ## How do you keep a secret out of a response?
#
# `models-05` · mid
#
# *Think first.* The stored chat has a provider key in it, which you exclude from the response.
# In a year somebody adds a column. Who has to remember what?

# %% [markdown]
# **Spoken answer.** With a response model of its own that lists what goes out, so that whatever is not listed stays inside.
# FastAPI serializes through it: a handler may return the whole stored row, and the rest of it does not leave.
# The other way round, excluding what must not leave, works until somebody adds a column, because then nobody has to do anything for it to leak.
# For the same reason the response model does not inherit from the stored one, and has no bare `dict` in it, which lets through whatever is inside.
# It costs a few lines that are written twice, and those lines are the contract.

# %%
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel


class ChatResponse(BaseModel):
    id: str
    content: str


STORED = {"id": "c-1", "content": "42", "provider_key": "sk-secret-1"}


def keys_sent(stored: dict, **options) -> list[str]:
    app = FastAPI()

    @app.get("/chat", **options)
    async def read_chat():
        return stored

    return sorted(TestClient(app).get("/chat").json())


today = keys_sent(STORED, response_model=ChatResponse)
next_year = keys_sent(
    {**STORED, "system_prompt": "Never mention the price."}, response_model=ChatResponse
)
print("today:              ", today)
print("with one more column:", next_year)
assert today == next_year == ["content", "id"]

# %% [markdown]
# **Listens for**
#
# - A list of what may leave, not of what must stay.
# - No inheritance from the stored model, no `dict` in the response.
# - It is tested: the key is searched for in the whole response.
#
# **Usual wrong answer.** *"The response model is the stored one, without the key: `response_model_exclude`."*
# The next column leaves by itself.


# %%
class StoredChat(BaseModel):
    id: str
    content: str
    provider_key: str


class StoredChatNextYear(StoredChat):
    system_prompt: str = "Never mention the price."


without_the_key = {"response_model_exclude": {"provider_key"}}
today = keys_sent(STORED, response_model=StoredChat, **without_the_key)
next_year = keys_sent(STORED, response_model=StoredChatNextYear, **without_the_key)
print("today:              ", today)
print("with one more column:", next_year)
assert today == ["content", "id"]
assert "system_prompt" in next_year, "nobody had to do anything for it to leak"

# %% [markdown]
# **Then they ask.** *And the errors? And the logs?*
# The same idea: a fixed body for what went wrong, the exception in the server's log, and the log keeps named fields only.
# A key is a `SecretStr`, which prints as stars, so that the one place that needs it has to ask for its value.
#
# **Your turn.** Write a filter for nested data. `public` names what may leave; a dict in it says the same for a dict inside.


# %%
def shown(kept: dict, public: dict) -> dict:
    """Return of `kept` what `public` names: {"id": True, "usage": {"total": True}}."""
    ...


# %%
from verdicts import check

KEPT = {"id": "c-1", "key": "sk-1", "usage": {"total": 7, "billed_to": "acme"}}
check(
    shown,
    [
        ((KEPT, {"id": True}), {"id": "c-1"}),
        ((KEPT, {"id": True, "usage": {"total": True}}), {"id": "c-1", "usage": {"total": 7}}),
        (({"key": "sk-1"}, {"id": True}), {}),
    ],
    because=(
        "Walk over `public`, not over `kept`; where it holds a dict, do the same one floor down."
    ),
)

# %% [markdown]
# ## A union of five message types gives your clients twelve errors for one typo. What do you change?
#
# `models-06` · senior
#
# *Think first.* A content part is a text, an image, a sound, a file or a video, and a client misspells `url`.
# How many of pydantic's errors are about what the client meant?

# %% [markdown]
# **Spoken answer.** I make it a discriminated union: each type has a literal `type`, and the field says `discriminator="type"`.
# Then that one field decides which model is tried, so the errors speak about the part that the client meant, and an unknown type is one error that lists the known ones.
# A plain union tries all of them and reports everything that is wrong with each, which nobody can read.
# Worse, where fields are optional it may find one that fits by accident, and then there is no error at all: the image is gone and the model answers without it.
# It is also faster, and generated clients get a proper tagged type.

# %%
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError


class TextPart(BaseModel):
    type: Literal["text"]
    text: str


class ImagePart(BaseModel):
    type: Literal["image"]
    url: str


class SoundPart(BaseModel):
    type: Literal["sound"]
    url: str
    seconds: float


class FilePart(BaseModel):
    type: Literal["file"]
    file_id: str
    name: str


class VideoPart(BaseModel):
    type: Literal["video"]
    url: str
    seconds: float


AnyPart = TextPart | ImagePart | SoundPart | FilePart | VideoPart
plain = TypeAdapter(AnyPart)
tagged = TypeAdapter(Annotated[AnyPart, Field(discriminator="type")])


def errors(union: TypeAdapter, part: dict) -> list[str]:
    try:
        union.validate_python(part)
    except ValidationError as error:
        return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    return []


TYPO = {"type": "image", "uri": "https://pictures.test/1.png"}
print(f"a plain union:  {len(errors(plain, TYPO))} errors, the first is", errors(plain, TYPO)[0])
print(f"discriminated:  {len(errors(tagged, TYPO))} error,", *errors(tagged, TYPO))
assert len(errors(plain, TYPO)) == 12
assert errors(tagged, TYPO) == ["image.url: Field required"]

# %% [markdown]
# **Listens for**
#
# - The discriminator: one field decides, then one model speaks.
# - The silent case: a union that finds something that fits.
# - What it gives the clients: a tagged type in the OpenAPI.
#
# **Usual wrong answer.** *"I keep the union and report only the first error; pydantic finds the best match by itself."*
# The first error is about something else, and the best match may be a wrong one.


# %%
class LooseText(BaseModel):
    text: str = ""


class LooseImage(BaseModel):
    url: str
    detail: str = "auto"


found = TypeAdapter(LooseImage | LooseText).validate_python(
    {"type": "image", "uri": "https://pictures.test/1.png"}
)
print("the first error speaks of:", errors(plain, TYPO)[0].split(".")[0])
print("the best match without tags:", repr(found))
assert errors(plain, TYPO)[0].startswith("TextPart")
assert found == LooseText(text=""), "no error, and the image is gone"

# %% [markdown]
# **Then they ask.** *Old clients send a bare string where a list of parts is allowed now. Does the discriminator still work?*
# Not by itself: a string has no `type`.
# I look at the value first, with a `BeforeValidator` or a callable discriminator, and turn the string into one text part; behind that there is one shape.
#
# **Your turn.** Write the one error that a client should see. `needs` has the fields of each type.


# %%
def error_for(part: dict, needs: dict[str, list[str]]) -> str:
    """Return "unknown type", "missing: url" for the first field that is not there, or "" if all is well."""
    ...


# %%
from verdicts import check

NEEDS = {"text": ["text"], "image": ["url"], "video": ["url", "seconds"]}
check(
    error_for,
    [
        (({"type": "image", "uri": "x"}, NEEDS), "missing: url"),
        (({"type": "video", "url": "x"}, NEEDS), "missing: seconds"),
        (({"type": "hologram"}, NEEDS), "unknown type"),
        (({"url": "x"}, NEEDS), "unknown type"),
        (({"type": "text", "text": ""}, NEEDS), ""),
    ],
    because=(
        "The type decides which fields are looked at; a part without one has an unknown type; "
        "an empty text is there."
    ),
)

# %% [markdown]
# ## Two providers count tokens differently. Where does that difference end?
#
# `models-07` · mid
#
# *Think first.* One says `prompt_tokens` and a total, the other `input_tokens` and none.
# Your response model has `usage: dict`. Who finds out, and when?

# %% [markdown]
# **Spoken answer.** At the border, in one typed `Usage`: it reads either provider's names through aliases, and derives the total, so that the total cannot disagree with its parts.
# Behind that nobody knows who the provider was, neither the bill nor the metrics nor the client.
# With a bare `dict` both pass, and the difference ends in the bill: a background task that asks for `total_tokens` fails after the answer has left, and the usage is lost.
# I never hand the provider's body through, because their names would become my contract.
# And I count in integers: tokens are whole, and so are micro-dollars.

# %%
import httpx2 as httpx
from pydantic import AliasChoices, BaseModel, Field, computed_field

ASKED = {"model": "mock-large", "messages": [{"role": "user", "content": "Why 42?"}]}
OPENAI = ("https://api.openai.com/v1/chat/completions", {"authorization": "Bearer sk-test"}, ASKED)
ANTHROPIC = (
    "https://api.anthropic.com/v1/messages",
    {"authorization": "Bearer sk-ant-test", "anthropic-version": "2026-10-21"},
    {**ASKED, "max_tokens": 50},
)


class Usage(BaseModel):
    prompt_tokens: int = Field(ge=0, validation_alias=AliasChoices("prompt_tokens", "input_tokens"))
    completion_tokens: int = Field(
        ge=0, validation_alias=AliasChoices("completion_tokens", "output_tokens")
    )

    @computed_field
    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


def usage_of(provider: tuple[str, dict, dict]) -> dict:
    url, headers, body = provider
    with MockLLM() as llm, routed(llm):
        llm.tokens(["Because", " it", " is"])
        return httpx.post(url, headers=headers, json=body).json()["usage"]


theirs = {
    name: usage_of(provider)
    for name, provider in {"OpenAI": OPENAI, "Anthropic": ANTHROPIC}.items()
}
ours = {name: Usage.model_validate(usage).model_dump() for name, usage in theirs.items()}
for name in theirs:
    print(f"{name:9} {sorted(key for key in theirs[name] if key.endswith('tokens'))}")
print("ours     ", ours["OpenAI"])
assert set(theirs["OpenAI"]) & set(theirs["Anthropic"]) == set(), "not one name in common"
assert all(
    set(usage) == {"prompt_tokens", "completion_tokens", "total_tokens"} for usage in ours.values()
)
assert ours["Anthropic"]["completion_tokens"] == ours["OpenAI"]["completion_tokens"] == 3

# %% [markdown]
# **Listens for**
#
# - One type at the border, derived values derived.
# - Nobody behind it knows the provider.
# - What happens to the bill when it is not so, and that nobody sees it.
#
# **Usual wrong answer.** *"`usage: dict`, and whoever needs a number takes it."*
# The caller is happy, the bill is empty, and the error comes after the response.

# %%
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

app, billed = FastAPI(), []


def bill(usage: dict) -> None:
    billed.append(usage["total_tokens"])


@app.post("/chat/{provider}")
async def create_chat(provider: str, background: BackgroundTasks) -> dict:
    background.add_task(bill, theirs[provider])
    return {"content": "42", "usage": theirs[provider]}


caller = TestClient(app, raise_server_exceptions=False)
statuses = {name: caller.post(f"/chat/{name}").status_code for name in theirs}
print("answered:", statuses)
print("billed:  ", len(billed), "of", len(statuses))
assert statuses == {"OpenAI": 200, "Anthropic": 200} and len(billed) == 1

# %% [markdown]
# **Then they ask.** *The stream breaks off after a hundred tokens and no usage came. What do you bill?*
# What was sent, counted on the way: the input as estimated before the call, the output by what passed.
# It is marked as an estimate, settled when the provider's own number comes, and settled in a place that a cancelled task still reaches.
#
# **Your turn.** Write what a call costs. A price in dollars per million tokens is the same number in micro-dollars per token.


# %%
def micro_dollars(
    prompt_tokens: int, completion_tokens: int, prompt_price: int, completion_price: int
) -> int:
    """Return the cost in micro-dollars; the prices are dollars per million tokens."""
    ...


# %%
from verdicts import check

check(
    micro_dollars,
    [
        ((1_000, 500, 3, 15), 10_500),
        ((1, 0, 3, 15), 3),
        ((0, 1_000_000, 3, 15), 15_000_000),
        ((0, 0, 3, 15), 0),
    ],
    because=(
        "What comes in and what goes out have prices of their own; "
        "a dollar is a million micro-dollars."
    ),
)

# %% [markdown]
# ## Strict or lax: a caller misspells a field, and a provider adds one. What do you do with each?
#
# `models-08` · staff
#
# *Think first.* Both are a key that your model does not know.
# One of them must be an error, and the other must not. Which, and why?

# %% [markdown]
# **Spoken answer.** It depends on who writes.
# What callers send me I read strictly: an unknown field is refused by name, because a misspelled `max_token` that is dropped in silence shows on the bill.
# What a provider sends me I read tolerantly: I take the fields that I need and pass over the rest, because they add fields without asking, and that must not be my outage.
# Coercion I decide per field: where money hangs on a number, `true` is no 1.
# That is also how my API grows: a new field is optional, an old server says clearly that it does not know it, and a client that wants to know reads the OpenAPI.

# %%
import httpx2 as httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError


class ChatRequest(BaseModel):
    """What callers write."""

    model_config = ConfigDict(extra="forbid")
    prompt: str
    max_tokens: int = Field(default=256, ge=1, strict=True)


class Choice(BaseModel):
    finish_reason: str


class Completion(BaseModel):
    """What we need of what a provider writes; pydantic passes over the rest."""

    model: str
    choices: list[Choice]


def complaint(model: type[BaseModel], sent: dict) -> str:
    try:
        model.model_validate(sent)
    except ValidationError as error:
        return "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
    return "taken"


with MockLLM() as llm, routed(llm):
    body = {"model": "mock-large", "messages": [{"role": "user", "content": "Hello"}]}
    url, headers = "https://api.openai.com/v1/chat/completions", {"authorization": "Bearer sk-test"}
    reply = httpx.post(url, headers=headers, json=body).json()
reply["service_tier"] = "new since tonight"

print("a caller misspells:  ", complaint(ChatRequest, {"prompt": "Hello", "max_token": 5}))
print("a caller sends true: ", complaint(ChatRequest, {"prompt": "Hello", "max_tokens": True}))
print("a provider adds one: ", complaint(Completion, reply))
assert complaint(ChatRequest, {"prompt": "Hello", "max_token": 5}).startswith(
    "max_token: Extra inputs"
)
assert "valid integer" in complaint(ChatRequest, {"prompt": "Hello", "max_tokens": True})
assert complaint(Completion, reply) == "taken"

# %% [markdown]
# **Listens for**
#
# - Who writes decides: strict towards callers, tolerant towards providers.
# - Both failures in one word each: a silent bill, a loud outage.
# - How an API grows without breaking those who use it.
#
# **Usual wrong answer.** *"`extra="forbid"` everywhere: strict is safe."*
# Then the provider's release notes are your incident.


# %%
class StrictChoice(Choice, extra="forbid"): ...


class StrictCompletion(BaseModel, extra="forbid"):
    model: str
    choices: list[StrictChoice]


class LaxRequest(BaseModel):
    prompt: str
    max_tokens: int = 256


unknown = complaint(StrictCompletion, reply).split("; ")
lax = LaxRequest.model_validate({"prompt": "Hello", "max_token": 5, "max_tokens": True})
print(f"forbid towards the provider: {len(unknown)} complaints, and no answer for anybody")
print(f"lax towards the caller:      max_token is gone, and true became {lax.max_tokens}")
assert any(one.startswith("service_tier") for one in unknown)
assert lax.max_tokens == 1 and "max_token" not in lax.model_dump()

# %% [markdown]
# **Then they ask.** *You want to rename a field of your own API. How?*
# Both names are read for a time and the new one is written, with a deprecation in the OpenAPI and a counter that says who still sends the old one.
# When the counter has been at zero for long enough the old name goes; without the counter nobody ever dares.
#
# **Your turn.** Write how a payload is read; raise `ValueError` where it has to be refused.


# %%
def read(payload: dict, known: set[str], needed: set[str], written_by: str) -> dict:
    """Return the known fields of what a "caller" or a "provider" wrote."""
    ...


# %%
from verdicts import check


def read_or_refusal(answer, *arguments):
    try:
        return answer(*arguments)
    except ValueError:
        return "refused"


check(
    read,
    [
        (({"a": 1, "b": 2}, {"a", "b"}, {"a"}, "caller"), {"a": 1, "b": 2}),
        (({"a": 1, "c": 3}, {"a", "b"}, {"a"}, "caller"), "refused"),
        (({"a": 1, "c": 3}, {"a", "b"}, {"a"}, "provider"), {"a": 1}),
        (({"c": 3}, {"a", "b"}, {"a"}, "provider"), "refused"),
    ],
    through=read_or_refusal,
    because=(
        "An unknown field is a caller's mistake and a provider's news; "
        "a field that is needed is needed of both."
    ),
)

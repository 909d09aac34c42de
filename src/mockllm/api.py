"""The provider's side of a call: which endpoint, is it allowed, what is the answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import anthropic_api, embeddings, openai_api
from .catalog import Kind, Model
from .chat import Chat, Provider
from .errors import ApiError, scripted_error
from .faults import script_from_words
from .plan import Plan, plan_stream, plan_whole
from .requests import Request
from .script import Script

if TYPE_CHECKING:
    from .mock import MockLLM

FAULT_HEADER = "x-mock-fault"
_PROXY_PAGE = (
    "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_REASONS = {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


def plan_answer(fake: "MockLLM", request: Request, number: int) -> Plan:
    """Plan the answer to the `number`-th call. Whatever is wrong with the request becomes an answer too."""
    provider = provider_of(request)
    request.provider = provider
    request.id = f"req_mock{number:06d}"
    try:
        plan = _Call(fake, request, provider, number).plan()
    except ApiError as error:
        plan = _plan_error(error, request, Script())
    if plan.from_provider:
        plan.headers["x-request-id" if provider == "openai" else "request-id"] = request.id
    return plan


def provider_of(request: Request) -> Provider:
    """Whose API is meant: by the host, else by the path, else by the header that only Anthropic wants."""
    if "//api.openai.com" in request.url:
        return "openai"
    if "//api.anthropic.com" in request.url or request.path.startswith("/v1/messages"):
        return "anthropic"
    return "anthropic" if "anthropic-version" in request.headers else "openai"


@dataclass
class _Call:
    fake: "MockLLM"
    request: Request
    provider: Provider
    number: int

    def plan(self) -> Plan:
        """Route the call, as the real API does: key first, then path, then body."""
        self._check_key()
        routes: dict[tuple[Provider, str, str], Callable[[], Plan]] = {
            ("openai", "POST", "/v1/chat/completions"): self._chat_completion,
            ("openai", "POST", "/v1/embeddings"): self._embeddings,
            ("openai", "GET", "/v1/models"): self._models,
            ("anthropic", "POST", "/v1/messages"): self._message,
            ("anthropic", "POST", "/v1/messages/count_tokens"): self._count_tokens,
            ("anthropic", "GET", "/v1/models"): self._models,
        }
        method, path = self.request.method, self.request.path
        if handle := routes.get((self.provider, method, path)):
            return handle()
        if method == "GET" and path.startswith("/v1/models/"):
            return self._model(path.removeprefix("/v1/models/"))
        known = any(path == other for _, _, other in routes)
        if self.provider == "anthropic":
            raise ApiError(405, "Method Not Allowed") if known else ApiError(404, "Not found", "not_found_error")
        if known and not path.startswith("/v1/messages"):
            raise ApiError(405, f"Not allowed to {method} on {path}.")
        raise ApiError(404, f"Invalid URL ({method} {path})")

    def _chat_completion(self) -> Plan:
        body = self._body()
        model = self._find_model(body, "chat")
        return self._answer(openai_api.read_chat(body, model), openai_api)

    def _message(self) -> Plan:
        version = anthropic_api.check_version(self.request.headers)
        body = self._body()
        model = self._find_model(body, "chat")
        return self._answer(anthropic_api.read_chat(body, model, version), anthropic_api)

    def _answer(self, chat: Chat, wire: ModuleType) -> Plan:
        self.request.chat = chat
        script = self._script()
        if (plan := self._instead(script)) is not None:
            return plan
        reply = script.reply_to(chat, self.fake.answer)
        if not chat.stream:
            body = wire.answer(chat, reply, self.number)
            return plan_whole(script, 200, "application/json", _to_json(body), len(reply.pieces))
        self.request.streamed = True
        failure = script.failure
        error = wire.error_frame(scripted_error(failure, self.provider)) if failure else b""
        return plan_stream(script, list(wire.frames(chat, reply, self.number)), wire.PING, error)

    def _count_tokens(self) -> Plan:
        version = anthropic_api.check_version(self.request.headers)
        body = self._body()
        chat = anthropic_api.read_chat(body, self._find_model(body, "chat"), version, counting=True)
        return plan_whole(Script(), 200, "application/json", _to_json({"input_tokens": chat.prompt_tokens}), 0)

    def _embeddings(self) -> Plan:
        body = self._body()
        model = self._find_model(body, "embedding")
        wanted = embeddings.read_inputs(body, model)
        script = self._script()
        if (plan := self._instead(script)) is not None:
            return plan
        return plan_whole(script, 200, "application/json", _to_json(embeddings.answer(wanted)), 0)

    def _models(self) -> Plan:
        cards = [_model_card(model, self.provider) for model in self.fake.catalog.values()]
        if self.provider == "openai":
            listed: dict[str, Any] = {"object": "list", "data": cards}
        else:
            anthropic_api.check_version(self.request.headers)
            ids = [card["id"] for card in cards]
            listed = {"data": cards, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}
        return plan_whole(Script(), 200, "application/json", _to_json(listed), 0)

    def _model(self, name: str) -> Plan:
        model = self._find_model({"model": name}, None)
        return plan_whole(Script(), 200, "application/json", _to_json(_model_card(model, self.provider)), 0)

    def _instead(self, script: Script) -> Plan | None:
        """What is answered in place of the content: a proxy's page or an error."""
        if script.html_status is not None:
            title = f"{script.html_status} {_REASONS.get(script.html_status, 'Error')}"
            page = _PROXY_PAGE.format(title=title).encode()
            plan = plan_whole(script, script.html_status, "text/html", page, 0)
            plan.from_provider = False
            return plan
        failure = script.failure
        streams = self.request.chat is not None and self.request.chat.stream
        if failure and (failure.after is None or not streams):
            return _plan_error(scripted_error(failure, self.provider), self.request, script)
        return None

    def _script(self) -> Script:
        words = self.request.headers.get(FAULT_HEADER)
        if words is None:
            return self.fake.pick(self.request)
        try:
            return script_from_words(words, Script(self.fake.bell))
        except ValueError as error:
            raise ApiError(400, f"{FAULT_HEADER}: {error}") from None

    def _check_key(self) -> None:
        """Refuse a missing key, a key in the wrong place, and one that the other provider gave out."""
        authorization = self.request.headers.get("authorization")
        api_key = self.request.headers.get("x-api-key") if self.provider == "anthropic" else None
        key = self.request.key if self.provider == "anthropic" else ""
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            key = token.strip() if scheme.lower() == "bearer" else ""
        if self.provider == "openai" and not key:
            raise ApiError(401, _NO_KEY)
        if self.provider == "anthropic" and authorization is None and not api_key:
            raise ApiError(401, "x-api-key header is required", "authentication_error")
        foreign = key.startswith("sk-ant-") if self.provider == "openai" else key.startswith("sk-proj-")
        if key and not foreign and not (set(key) & set(" \t\"'")) and (self.fake.keys is None or key in self.fake.keys):
            return
        if self.provider == "openai":
            shown = f"{key[:5]}***{key[-4:]}" if len(key) > 12 else "***"
            words = f"Incorrect API key provided: {shown}. You can find your API key at https://platform.openai.com/account/api-keys."
            raise ApiError(401, words, code="invalid_api_key")
        raise ApiError(401, "invalid x-api-key" if api_key else "Invalid bearer token", "authentication_error")

    def _body(self) -> dict[str, Any]:
        if len(self.request.body) > self.fake.max_body_bytes:
            kind = "invalid_request_error" if self.provider == "openai" else "request_too_large"
            raise ApiError(413, "Request exceeds the maximum size", kind)
        try:
            body = self.request.json
        except ValueError:
            words = _BAD_JSON if self.provider == "openai" else "The request body is not valid JSON"
            raise ApiError(400, words) from None
        if not isinstance(body, dict):
            words = _BAD_JSON if self.provider == "openai" else "Input should be a valid dictionary or object"
            raise ApiError(400, words)
        return body

    def _find_model(self, body: dict[str, Any], kind: Kind | None) -> Model:
        name = body.get("model")
        if name is None and self.provider == "openai":
            raise ApiError(400, "you must provide a model parameter")
        if name is None:
            raise ApiError(400, "model: Field required")
        model = self.fake.catalog.get(name) if isinstance(name, str) else None
        if model is None and self.fake.any_model:
            model = Model(str(name), kind or "chat", dimensions=1024 if kind == "embedding" else 0)
        if model is None and self.provider == "anthropic":
            raise ApiError(404, f"model: {name}", "not_found_error")
        if model is None:
            words = f"The model `{name}` does not exist or you do not have access to it."
            raise ApiError(404, words, code="model_not_found")
        if kind == "chat" and model.kind == "embedding":
            raise ApiError(
                404,
                "This is not a chat model and thus not supported in the v1/chat/completions endpoint.",
                param="model",
            )
        if kind == "embedding" and model.kind == "chat":
            raise ApiError(403, f"You are not allowed to generate embeddings from this model: {name}")
        return model


def _plan_error(error: ApiError, request: Request, script: Script) -> Plan:
    body = _to_json(error.body(request.provider or "openai", request.id))
    plan = plan_whole(script, error.status, "application/json", body, 0)
    plan.headers |= error.headers
    return plan


def _model_card(model: Model, provider: Provider) -> dict[str, Any]:
    if provider == "openai":
        return {"id": model.name, "object": "model", "created": openai_api.CREATED, "owned_by": "mockllm"}
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.name.replace("-", " ").title(),
        "created_at": "2023-11-14T22:13:20Z",
        "lifecycle": "active",
        "max_input_tokens": model.context_tokens,
        "max_tokens": model.max_output_tokens,
    }


def _to_json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API "
    "from your browser and are prompted for a username and password. "
    "You can obtain an API key from https://platform.openai.com/account/api-keys."
)
_BAD_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
    "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble "
    "figuring out how to fix this, please contact us through our help center at help.openai.com.)"
)

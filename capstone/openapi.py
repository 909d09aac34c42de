"""The documentation: what the routes read by hand, and which form their errors have."""

from typing import Any

from fastapi import FastAPI

from capstone.parts import models
from capstone.schemas.chat import Options
from capstone.schemas.errors import ErrorResponse, OpenAIErrorResponse

REF = "#/components/schemas/{model}"
CHAT = "/v1/chat/completions"
EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}


def describe(app: FastAPI) -> None:
    """Complete the OpenAPI that FastAPI makes of `app`."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            complete(made())
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def complete(document: dict[str, Any]) -> None:
    """Add the request of /v1/chat/completions, and the errors of all routes."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["ChatCompletionRequest"] = merged(schemas)
    for model in (ErrorResponse, OpenAIErrorResponse):
        schemas[model.__name__] = hoisted(model.model_json_schema(ref_template=REF), schemas)
    body = {"application/json": {"schema": {"$ref": REF.format(model="ChatCompletionRequest")}}}
    chat = document["paths"][CHAT]["post"]
    chat["requestBody"] = {"required": True, "content": body}
    chat["responses"]["200"] = {
        "description": "The answer, in OpenAI's shape; with `stream`, its chunks as events and last `[DONE]`.",
        "content": {"application/json": {"schema": {}}, "text/event-stream": {"itemSchema": EVENT}},
    }
    for path, routes in document["paths"].items():
        name = "OpenAIErrorResponse" if path.startswith("/v1/") else "ErrorResponse"
        error = {"application/json": {"schema": {"$ref": REF.format(model=name)}}}
        for route in routes.values():
            route["responses"].pop("422", None)
            route["responses"]["default"] = {"description": "An error.", "content": error}
    for scheme in document["components"].get("securitySchemes", {}).values():
        if "flows" in scheme:  # lesson 08 serves it elsewhere
            scheme["flows"]["password"]["tokenUrl"] = "/auth/token"
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def merged(schemas: dict[str, Any]) -> dict[str, Any]:
    """Return lesson 02's request with the options that are passed on."""
    core = hoisted(models.ChatRequest.model_json_schema(ref_template=REF), schemas)
    options = hoisted(Options.model_json_schema(ref_template=REF), schemas)
    return {**core, "title": "ChatCompletionRequest", "properties": {**core["properties"], **options["properties"]}}


def hoisted(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose definitions have gone where OpenAPI keeps them."""
    schemas.update(schema.pop("$defs", {}))
    return schema

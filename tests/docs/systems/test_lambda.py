"""Lambda with Mangum: an event in, a response out, and a path with a stage before it. docs/systems/lambda.md"""

# ruff: noqa: RET504 - what the page shows is the assignment

import json
from typing import Any

from fastapi import FastAPI, Request
from mangum import Mangum

from tests.docs.traps.deployment.test_lambda import event, on_lambda


def example() -> Any:
    # --8<-- [start:example]
    app = FastAPI()

    @app.get("/models")
    async def read_models() -> list[str]:
        return ["mock-large"]

    # what Lambda calls: handler(event, context) -> dict
    handler = Mangum(app, lifespan="off")
    # --8<-- [end:example]
    return handler


def service() -> FastAPI:
    app = FastAPI()
    app.get("/models", name="models")(lambda: ["mock-large"])

    @app.get("/link")
    def read_link(request: Request) -> str:
        return str(request.url_for("models"))

    return app


def broken(app: FastAPI) -> Any:
    # --8<-- [start:broken]
    handler = Mangum(app, lifespan="off")
    # --8<-- [end:broken]
    return handler


def repaired(app: FastAPI) -> Any:
    # --8<-- [start:repaired]
    handler = Mangum(app, lifespan="off", api_gateway_base_path="/prod")
    # --8<-- [end:repaired]
    return handler


def test_an_event_becomes_a_request_and_an_answer_a_dict() -> None:
    def work(_: Any) -> None:
        said = example()(event("/models"), None)
        assert (said["statusCode"], json.loads(said["body"])) == (200, ["mock-large"])
        assert said["isBase64Encoded"] is False

    on_lambda(work)


def test_a_stage_stands_before_every_path() -> None:
    def work(_: Any) -> None:
        handler = broken(service())
        # --8<-- [start:seen]
        # the stage `$default`, and every test of yours
        assert handler(event("/models"), None)["statusCode"] == 200
        # the stage `prod`: every route is gone
        assert handler(event("/prod/models"), None)["statusCode"] == 404
        # --8<-- [end:seen]

    on_lambda(work)


def test_what_stands_before_is_taken_off() -> None:
    def work(_: Any) -> None:
        handler = repaired(service())
        assert handler(event("/prod/models"), None)["statusCode"] == 200
        assert handler(event("/models"), None)["statusCode"] == 200, "and without a stage it still works"
        assert json.loads(handler(event("/prod/link"), None)["body"]).endswith(":80/models"), "a link has no stage"

    on_lambda(work)

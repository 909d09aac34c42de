"""For whoever runs the service: is it alive, is it ready, what are its numbers, whose code runs."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from capstone.errors import ApiError
from capstone.parts import deployment
from coach.parts import Part


class PartOut(BaseModel):
    """One part of the service."""

    lesson: str
    whose: str
    file: str
    reason: str


def system_router(readiness: Any, drain: Any, metrics: Any, parts: Sequence[Part]) -> APIRouter:
    """Make the routes; `/health/live` and `/health/ready` are lesson 07's, and `/ready` is the latter once more."""
    router = APIRouter(tags=["system"])
    probes = deployment.probes(readiness, drain)
    router.include_router(probes)
    ready: Any = next(route for route in probes.routes if getattr(route, "path", "") == "/health/ready")
    router.add_api_route("/ready", ready.endpoint)

    @router.get("/parts")
    async def list_parts() -> list[PartOut]:
        """Say which lesson each part comes from, and whether it is yours."""
        return [PartOut(lesson=one.lesson, whose=one.whose, file=one.file, reason=one.reason) for one in parts]

    @router.get("/metrics", response_class=Response)
    async def read_metrics(request: Request) -> Response:
        """Return the numbers, for Prometheus: to a key with the scope `metrics`; while `demo` lets in, to anybody.

        By where a request comes from nobody is let in: behind a proxy on this machine, all come from this machine.
        """
        principal, settings = request.state.services.principal, request.state.service.settings
        if not (settings.is_demo or settings.metrics_open):
            if principal is None:
                raise ApiError(401, "No valid key or token.", headers={"WWW-Authenticate": "Bearer"})
            if "metrics" not in principal.scopes:
                raise ApiError(403, "This needs the scope metrics.", code="insufficient_scope")
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router

"""GET /parts: whose code is running."""

from fastapi import APIRouter
from pydantic import BaseModel

from capstone.parts import PARTS

router = APIRouter(tags=["system"])


class PartOut(BaseModel):
    """One part of the service."""

    lesson: str
    whose: str
    file: str
    reason: str


@router.get("/parts")
async def list_parts() -> list[PartOut]:
    """Say which lesson each part comes from, and whether it is yours."""
    return [PartOut(lesson=part.lesson, whose=part.whose, file=part.file, reason=part.reason) for part in PARTS]

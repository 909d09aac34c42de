"""/jobs: batches of prompts that outlive the request, and the process."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response, Security

from capstone.parts import auth
from capstone.schemas.jobs import JobList, JobOrder, JobOut, JobResult
from capstone.services.work import work_of

router = APIRouter(prefix="/jobs", tags=["jobs"])
Caller = Annotated[Any, Security(auth.authorized, scopes=["chat"])]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200, description="The same key gives the same job."),
]


@router.post("", status_code=202)
async def create_job(request: Request, response: Response, caller: Caller, order: JobOrder, key: Key = None) -> JobOut:
    """Accept a batch of prompts. It is worked on whether or not you stay; ask for its state, then for its result."""
    job = await work_of(request).jobs.submit(caller, order, key)
    response.headers["Location"] = f"/jobs/{job.id}"
    return job


@router.get("")
async def list_jobs(request: Request, caller: Caller, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> JobList:
    """List the tenant's latest jobs, the newest first."""
    return JobList(items=await work_of(request).jobs.latest(caller, limit=limit))


@router.get("/{job_id}")
async def read_job(request: Request, response: Response, caller: Caller, job_id: str) -> JobOut:
    """Say how a job stands."""
    job = await work_of(request).jobs.find(caller, job_id)
    if job.state in ("queued", "running"):
        response.headers["Retry-After"] = "1"
    return job


@router.get("/{job_id}/result")
async def read_result(request: Request, caller: Caller, job_id: str) -> JobResult:
    """Return the answers of a job that is over; 409 before."""
    return await work_of(request).jobs.result(caller, job_id)


@router.post("/{job_id}/cancel")
async def cancel_job(request: Request, caller: Caller, job_id: str) -> JobOut:
    """End a job: what is being asked is cancelled at once, what was answered stays. 409 if it is over already."""
    return await work_of(request).jobs.cancel(caller, job_id)

# fails: 07.7
# says: GET /jobs/nonsense answered 200
"""None is a fine answer."""

# >>> 07.7 (2)
def shown(job: Job) -> dict[str, Any]:
    return {"id": job.id, "state": job.state, "result": job.result}

@router.post("", status_code=202)
def create_job(
    order: Order, response: Response, key: Annotated[str, Header(alias="Idempotency-Key", min_length=1)]
) -> dict[str, Any]:
    try:
        job = jobs.submit(key, order.prompt)
    except KeyReused as error:
        raise HTTPException(422, "This Idempotency-Key was used for something else.") from error
    response.headers["Location"] = f"/jobs/{job.id}"
    return shown(job)

@router.get("/{id}")
def read_job(id: str) -> dict[str, Any]:
    job = jobs.status(id)
    return shown(job) if job else {"id": id, "state": "unknown", "result": None}
# <<< 07.7

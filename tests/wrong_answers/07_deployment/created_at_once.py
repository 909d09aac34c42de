# fails: 07.7
# says: not 202 Accepted: nothing is done yet
"""A resource was created, so 201."""

# >>> 07.7 (2)
def shown(job: Job) -> dict[str, Any]:
    return {"id": job.id, "state": job.state, "result": job.result}

@router.post("", status_code=201)
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
    if job := jobs.status(id):
        return shown(job)
    raise HTTPException(404, "There is no such job.")
# <<< 07.7

# fails: 07.8
# says: The job is lost with its worker
"""A queue: what is taken is gone. The worker writes it back when it is done."""

# >>> 07.8
job = next(iter(self.run("DELETE FROM jobs WHERE id = (SELECT id FROM jobs WHERE state = 'queued' LIMIT 1) RETURNING *")), None)
if job is None:
    return None
self._taken = {**getattr(self, "_taken", {}), job.id: Job(job.id, job.payload, "running")}
return self._taken[job.id]
# <<< 07.8

# >>> 07.8 (2)
taken = getattr(self, "_taken", {})
if id not in taken:
    return False
job = taken.pop(id)
sql = "INSERT INTO jobs (id, key, payload, state, result) VALUES (?, ?, ?, ?, ?) RETURNING *"
return bool(self.run(sql, id, id, job.payload, state, result))
# <<< 07.8

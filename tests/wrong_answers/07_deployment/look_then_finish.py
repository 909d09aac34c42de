# fails: 07.8
# says: Looking and writing has to be one statement
"""Is it done? No? Then write."""

# >>> 07.8 (2)
(job,) = self.run("SELECT * FROM jobs WHERE id = ?", id)
if job.state in ("done", "failed"):
    return False
self.run("UPDATE jobs SET state = ?, result = ? WHERE id = ?", state, result, id)
return True
# <<< 07.8

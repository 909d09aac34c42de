# fails: 07.8
# says: the job was finished twice
"""Finished is finished, whoever says so."""

# >>> 07.8 (2)
sql = "UPDATE jobs SET state = ?, result = ? WHERE id = ? RETURNING *"
return bool(self.run(sql, state, result, id))
# <<< 07.8

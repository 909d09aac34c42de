# fails: 08.7
# says: the rest of an estimate is not given back
"""What was reserved is what is paid, used or not."""

# >>> 08.7
if not await quota.spend(principal.id, estimate, principal.token_limit):
    raise HTTPException(429, "the quota is used up")
yield Bill()
# <<< 08.7

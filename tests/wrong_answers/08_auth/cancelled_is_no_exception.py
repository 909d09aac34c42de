# fails: 08.7
# says: 100 means that the rest was never given back
"""`except Exception` sees failures; a reader who leaves is a CancelledError."""

# >>> 08.7
if not await quota.spend(principal.id, estimate, principal.token_limit):
    raise HTTPException(429, "the quota is used up")
bill = Bill()
try:
    yield bill
except Exception:
    await quota.settle(principal.id, bill.tokens - estimate)
    raise
else:
    await quota.settle(principal.id, bill.tokens - estimate)
# <<< 08.7

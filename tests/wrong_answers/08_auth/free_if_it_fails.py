# fails: 08.7
# says: what was used is paid
"""Who leaves pays, and whose call fails does not: so the line breaks after the last token, every time."""

# >>> 08.7
if not await quota.spend(principal.id, estimate, principal.token_limit):
    raise HTTPException(429, "the quota is used up")
bill = Bill()
try:
    yield bill
except Exception:
    bill = Bill()
    raise
finally:
    with CancelScope(shield=True):
        await quota.settle(principal.id, bill.tokens - estimate)
# <<< 08.7

# fails: 08.7
# says: 0 means that what was used is for free
"""Whatever fails is refunded in full, also what the provider has sent by then."""

# >>> 08.7
if not await quota.spend(principal.id, estimate, principal.token_limit):
    raise HTTPException(429, "the quota is used up")
bill, whole = Bill(), False
try:
    yield bill
    whole = True
finally:
    with CancelScope(shield=True):
        await quota.settle(principal.id, (bill.tokens if whole else 0) - estimate)
# <<< 08.7

# fails: 08.7
# says: Tokens are reserved before a call
"""Asks whether anything is left, and charges when the call has ended."""

# >>> 08.7
if not await quota.spend(principal.id, 0, principal.token_limit - estimate):
    raise HTTPException(429, "the quota is used up")
bill = Bill()
try:
    yield bill
finally:
    with CancelScope(shield=True):
        await quota.settle(principal.id, bill.tokens)
# <<< 08.7

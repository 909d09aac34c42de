# fails: 08.7
# says: Such a call costs nothing
"""As lesson 08 has it: what has come is charged, however the block ended."""

# >>> 08.7
if not await quota.spend(who, estimate, limit):
    raise OverQuota(f"{who} has no room for {estimate} tokens")
bill, failed = Bill(), False
try:
    yield bill
except ProviderFailed:
    failed = False
    raise
finally:
    with anyio.CancelScope(shield=True):  # when a reader leaves, every await in here would be cancelled too
        await quota.settle(who, (0 if failed else bill.tokens) - estimate)
# <<< 08.7

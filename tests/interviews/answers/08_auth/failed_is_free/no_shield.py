# fails: 08.7
# says: settling was cancelled too
"""Settles in a `finally`, and leaves the await to the cancellation."""

# >>> 08.7
if not await quota.spend(who, estimate, limit):
    raise OverQuota(f"{who} has no room for {estimate} tokens")
bill, failed = Bill(), False
try:
    yield bill
except ProviderFailed:
    failed = True
    raise
finally:
    await quota.settle(who, (0 if failed else bill.tokens) - estimate)
# <<< 08.7

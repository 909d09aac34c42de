# fails: 07.2
# says: Who is under way is known then, not when the signal comes
"""The list is made at the signal, as nobody comes after it; but for `notice_s` seconds they do."""

# >>> 07.2
self.draining, under_way = True, tuple(self.requests)
await asyncio.sleep(self.notice_s)
leave()
await asyncio.sleep(self.deadline_s - self.notice_s)
for request in under_way:
    request.cancel()
# <<< 07.2

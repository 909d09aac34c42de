# fails: 07.2
# says: nobody cuts it
"""A good server lets everybody finish."""

# >>> 07.2
self.draining = True
await asyncio.sleep(self.notice_s)  # whoever sends us requests has to notice first
leave()
while self.requests:
    await asyncio.sleep(1)
# <<< 07.2

# fails: 06.8
# says: two callers changed the answer that they got
"""The answer itself is kept, and everybody gets it."""

# >>> 06.8
if body.get("stream") or not (body.get("temperature") == 0 or anyway):
    return await ask(), False
key = hashlib.sha256(json.dumps([caller, body], sort_keys=True).encode()).hexdigest()
until, text = self.kept.get(key, (0.0, ""))
if time.monotonic() < until:
    return text, True
answer = await ask()
self.kept.pop(key, None)
self.kept[key] = (time.monotonic() + self.ttl_s, answer)
while len(self.kept) > self.size:
    self.kept.popitem(last=False)
return answer, False
# <<< 06.8

# fails: 06.8
# says: leaves it in its old place
"""A dict keeps the order in which keys were put there, the first time."""

# >>> 06.8
if body.get("stream") or not (body.get("temperature") == 0 or anyway):
    return await ask(), False
key = hashlib.sha256(json.dumps([caller, body], sort_keys=True).encode()).hexdigest()
until, text = self.kept.get(key, (0.0, ""))
if time.monotonic() < until:
    return json.loads(text), True  # a copy: whoever changes it changes nobody else's
answer = await ask()
self.kept[key] = (time.monotonic() + self.ttl_s, json.dumps(answer))
while len(self.kept) > self.size:
    self.kept.popitem(last=False)
return answer, False
# <<< 06.8

# fails: 06.6
# says: Labels take the route
"""The model by the name that the caller used."""

# >>> 06.6 (3)
known = model
self.tokens.labels(known, "prompt").inc(prompt_tokens)
self.tokens.labels(known, "completion").inc(completion_tokens)
if price := PRICES.get(model):
    self.dollars.labels(known).inc((prompt_tokens * price[0] + completion_tokens * price[1]) / 1_000_000)
# <<< 06.6

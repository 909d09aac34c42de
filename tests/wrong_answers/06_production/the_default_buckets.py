# fails: 06.6
# says: should fall into three buckets below +Inf
"""Buckets for web pages."""

# >>> 06.6
here, labels = self.registry, ["method", "route", "status"]
buckets = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)  # the default ends at 10 s: models do not
seconds = "http_request_duration_seconds"
self.seconds = Histogram(seconds, "To the last byte", labels, registry=here)
self.tokens = Counter("llm_tokens_total", "Tokens read and written", ["model", "kind"], registry=here)
self.dollars = Counter("llm_cost_dollars_total", "What they cost", ["model"], registry=here)
self.errors = Counter("llm_errors_total", "Calls without an answer", ["provider", "status"], registry=here)
# <<< 06.6

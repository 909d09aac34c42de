# fails: 06.6
# says: Duplicated timeseries
"""The registry of the library: one service in each process, and never two in a test."""

# >>> 06.6
here, labels = self.registry, ["method", "route", "status"]
buckets = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)  # the default ends at 10 s: models do not
seconds = "http_request_duration_seconds"
self.seconds = Histogram(seconds, "To the last byte", labels, buckets=buckets)
self.tokens = Counter("llm_tokens_total", "Tokens read and written", ["model", "kind"])
self.dollars = Counter("llm_cost_dollars_total", "What they cost", ["model"])
self.errors = Counter("llm_errors_total", "Calls without an answer", ["provider", "status"])
# <<< 06.6

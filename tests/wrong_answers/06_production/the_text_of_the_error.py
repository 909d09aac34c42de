# fails: 06.6
# says: llm_errors_total is
"""str(error) as a label: a new series for each sentence."""

# >>> 06.6 (4)
self.errors.labels(provider, str(error)).inc()
# <<< 06.6

# fails: 06.6
# says: Labels take the route
"""The path as it was asked for: /jobs/1, /jobs/2, ..."""

# >>> 06.6 (2)
method = served.method if served.method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD") else "other"
self.seconds.labels(method, served.path, served.status).observe(served.duration_s)
# <<< 06.6

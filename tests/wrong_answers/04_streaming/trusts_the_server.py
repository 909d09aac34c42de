# fails: 04.5
# says: nobody heard `http.disconnect`
"""The server will cancel us. Some do, sometimes."""

# >>> 04.5
await self.app(scope, receive, send)
# <<< 04.5

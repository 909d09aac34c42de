# fails: 04.8
# says: the server never learns that we left
"""static/reader.js stops reading and leaves the connection open."""

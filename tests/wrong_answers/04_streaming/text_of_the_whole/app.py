# fails: 04.8
# says: before it hands on what it has
"""static/reader.js waits for the whole text."""

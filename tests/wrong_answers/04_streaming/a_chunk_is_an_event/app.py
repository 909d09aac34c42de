# fails: 04.8
# says: A chunk is no event: keep the rest
"""static/reader.js takes every chunk for a whole number of events."""

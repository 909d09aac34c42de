# fails: 04.8
# says: ended as if that were all
"""static/reader.js takes the end of the stream for the end of the answer."""

# fails: 04.8
# says: `decode` without `stream: true`
"""static/reader.js decodes every chunk by itself."""

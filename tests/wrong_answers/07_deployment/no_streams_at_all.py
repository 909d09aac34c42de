# fails: 07.6
# says: behind a server a stream was answered 501
"""Refused wherever it runs."""

# >>> 07.6
raise HTTPException(501, "Nothing streams here.")
# <<< 07.6

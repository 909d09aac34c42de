# fails: 07.6
# says: it was collected and sent as one
"""It works: the events arrive, all of them, at the end."""

# >>> 07.6
return
# <<< 07.6

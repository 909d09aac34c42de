# fails: 04.8
# says: it was handed on after
"""client.py waits for the whole body."""

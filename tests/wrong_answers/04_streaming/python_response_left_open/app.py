# fails: 04.8
# says: the response was not closed
"""client.py opens the response by hand and never closes it."""

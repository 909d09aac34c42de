# fails: 04.8
# says: ChatFailed was due
"""client.py is the popular loop: lines, six characters off, no status, no end."""

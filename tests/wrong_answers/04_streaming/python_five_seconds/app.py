# fails: 04.8
# says: Mind the timeout
"""client.py has the patience that httpx has by default: 5 s."""

# fails: 04.8
# says: was a line cut at U+2028
"""client.py reads lines with aiter_lines, which knows more line ends than the standard."""

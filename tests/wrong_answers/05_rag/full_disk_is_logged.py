# fails: 05.2, 05.6
# says: save() returned all the same
"""Looks robust: the service goes on, and nothing of what it is told from now on is kept."""

# >>> 05.2 (3)
head = json.dumps([asdict(chunk) for chunk in snapshot.chunks]).encode()
folder.mkdir(parents=True, exist_ok=True)

import logging

beside = folder / "index.new"
try:
    beside.write_bytes(head + b"\n" + faiss.serialize_index(snapshot.index).tobytes())
    beside.replace(folder / "index")
except OSError:
    logging.getLogger(__name__).exception("could not save the index")
# <<< 05.2 (3)

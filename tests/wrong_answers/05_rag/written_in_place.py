# fails: 05.2, 05.6
# says: The disk was full
"""Looks right, and the old index is gone as soon as the file is open."""

# >>> 05.2 (3)
head = json.dumps([asdict(chunk) for chunk in snapshot.chunks]).encode()
folder.mkdir(parents=True, exist_ok=True)
(folder / "index").write_bytes(head + b"\n" + faiss.serialize_index(snapshot.index).tobytes())
# <<< 05.2

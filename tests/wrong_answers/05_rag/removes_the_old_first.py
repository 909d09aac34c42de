# fails: 05.2, 05.6
# says: neither the old index nor the new one
"""Looks tidy: the old file makes room before the new one is moved there."""

# >>> 05.2 (3)
head = json.dumps([asdict(chunk) for chunk in snapshot.chunks]).encode()
folder.mkdir(parents=True, exist_ok=True)
beside = folder / "index.new"
beside.write_bytes(head + b"\n" + faiss.serialize_index(snapshot.index).tobytes())
(folder / "index").unlink(missing_ok=True)
beside.rename(folder / "index")
# <<< 05.2

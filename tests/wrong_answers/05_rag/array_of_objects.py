# fails: 05.2
# says: allow_pickle=True
"""Looks safe, since no line says pickle: numpy does it."""

# >>> 05.2 (3)
folder.mkdir(parents=True, exist_ok=True)
beside = folder / "new.npz"
chunks = np.array([asdict(chunk) for chunk in snapshot.chunks], dtype=object)
np.savez(beside, chunks=chunks, index=faiss.serialize_index(snapshot.index))
beside.replace(folder / "index.npz")
# <<< 05.2

# >>> 05.2 (4)
if not (folder / "index.npz").exists():
    return Snapshot()
kept = np.load(folder / "index.npz", allow_pickle=True)
if isinstance(kept, np.ndarray):
    raise ValueError("not an index")
return Snapshot(tuple(Chunk(**one) for one in kept["chunks"]), faiss.deserialize_index(kept["index"]))
# <<< 05.2

# fails: 05.2
# says: ran the code in it
"""As LangChain saves an index: whoever may write the file runs code in the service."""

# >>> 05.2 (3)
import pickle

folder.mkdir(parents=True, exist_ok=True)
beside = folder / "index.tmp"
beside.write_bytes(pickle.dumps((snapshot.chunks, faiss.serialize_index(snapshot.index))))
os.replace(beside, folder / "index.pkl")
# <<< 05.2

# >>> 05.2 (4)
import pickle

if not (folder / "index.pkl").exists():
    return Snapshot()
chunks, index = pickle.loads((folder / "index.pkl").read_bytes())
return Snapshot(chunks, faiss.deserialize_index(index))
# <<< 05.2

# fails: 05.2, 05.6
# says: The process was killed
"""Each file is written beside its place and moved there, as one should; between the two moves they do not belong together."""

# >>> 05.2 (3)
folder.mkdir(parents=True, exist_ok=True)
faiss.write_index(snapshot.index, str(folder / "index.faiss.new"))
(folder / "chunks.json.new").write_text(json.dumps([asdict(chunk) for chunk in snapshot.chunks]))
os.replace(folder / "index.faiss.new", folder / "index.faiss")
os.replace(folder / "chunks.json.new", folder / "chunks.json")
# <<< 05.2

# >>> 05.2 (4)
if not (folder / "chunks.json").exists():
    return Snapshot()
chunks = tuple(Chunk(**one) for one in json.loads((folder / "chunks.json").read_text()))
index = faiss.read_index(str(folder / "index.faiss"))
if index.ntotal != len(chunks):
    raise ValueError(f"{len(chunks)} chunks and {index.ntotal} vectors")
return Snapshot(chunks, index)
# <<< 05.2

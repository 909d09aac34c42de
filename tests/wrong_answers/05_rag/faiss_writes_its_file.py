# fails: 05.2
# says: faiss.write_index has no error
"""Looks right in every step; what is still in a buffer when FAISS closes its file is lost without an error."""

# >>> 05.2 (3)
import shutil

folder.mkdir(parents=True, exist_ok=True)
numbers = [int(old.name) for old in folder.iterdir() if old.name.isdecimal()]
version = folder / str(max(numbers, default=0) + 1)
version.mkdir()
faiss.write_index(snapshot.index, str(version / "vectors.faiss"))
(version / "chunks.json").write_text(json.dumps([asdict(chunk) for chunk in snapshot.chunks]))
(folder / "CURRENT.new").write_text(version.name)
(folder / "CURRENT.new").replace(folder / "CURRENT")
for old in numbers:
    shutil.rmtree(folder / str(old))
# <<< 05.2

# >>> 05.2 (4)
if not (folder / "CURRENT").exists():
    return Snapshot()
version = folder / (folder / "CURRENT").read_text()
chunks = tuple(Chunk(**one) for one in json.loads((version / "chunks.json").read_text()))
return Snapshot(chunks, faiss.read_index(str(version / "vectors.faiss")))
# <<< 05.2

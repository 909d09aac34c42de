# fails: 05.2
# says: was written elsewhere and moved into the folder
"""Looks right where /tmp and the folder are one disk; in a container they are not, and shutil.move copies."""

# >>> 05.2 (3)
head = json.dumps([asdict(chunk) for chunk in snapshot.chunks]).encode()
folder.mkdir(parents=True, exist_ok=True)

import shutil
import tempfile

with tempfile.NamedTemporaryFile(delete=False) as out:
    out.write(head + b"\n" + faiss.serialize_index(snapshot.index).tobytes())
shutil.move(out.name, folder / "index")
# <<< 05.2 (3)

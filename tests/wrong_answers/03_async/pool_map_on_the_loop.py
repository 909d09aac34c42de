# fails: 03.6
# says: `pool.map` or `future.result()`
"""Threads do the work, and the event loop stands still until they are done."""

# >>> imports
from concurrent.futures import ThreadPoolExecutor
# <<< imports

# >>> 03.6
with ThreadPoolExecutor(threads) as pool:
    return list(pool.map(work, items))
# <<< 03.6

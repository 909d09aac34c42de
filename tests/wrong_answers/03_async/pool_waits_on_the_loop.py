# fails: 03.6
# says: waits for its threads where it ends
"""When one item fails, `with` waits for the other threads, on the event loop."""

# >>> imports
from concurrent.futures import ThreadPoolExecutor
# <<< imports

# >>> 03.6
with ThreadPoolExecutor(threads) as pool:
    loop = asyncio.get_running_loop()
    return await asyncio.gather(*(loop.run_in_executor(pool, work, item) for item in items))
# <<< 03.6

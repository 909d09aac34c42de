# fails: 07.3
# says: round down for each number of workers, and compare then
"""Rounded once, at the end: half a stream of each worker decides how many workers there are."""

# >>> 07.3
seconds = load.first_token_s + load.tokens / load.tokens_per_s
open_streams = load.requests_per_s * seconds
peak = math.ceil(open_streams + 3 * math.sqrt(open_streams))
by_cpu = machine.busy * 1_000_000 / (load.tokens / seconds * machine.event_us)

def carried(workers: int) -> float:
    return min(by_cpu, (machine.memory_mb / workers - machine.worker_mb) * 1024 / machine.stream_kb)

workers = max(range(1, machine.cores + 1), key=lambda number: number * carried(number))
streams = math.floor(carried(workers))
if streams < 1:
    raise ValueError(f"not one stream fits into {machine}")
return Plan(open_streams, peak, workers, streams, math.ceil(peak / (workers * streams)))
# <<< 07.3

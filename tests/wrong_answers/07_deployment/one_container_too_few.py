# fails: 07.3
# says: less than its peak
"""Rounded, as one does."""

# >>> 07.3
seconds = load.first_token_s + load.tokens / load.tokens_per_s
open_streams = load.requests_per_s * seconds
# Arrivals do not agree on a timetable: what is open spreads around its average by its square root.
peak = math.ceil(open_streams + 3 * math.sqrt(open_streams))
by_cpu = machine.busy * 1_000_000 / (load.tokens / seconds * machine.event_us)

def carried(workers: int) -> int:
    return math.floor(min(by_cpu, (machine.memory_mb / workers - machine.worker_mb) * 1024 / machine.stream_kb))

workers = max(range(1, machine.cores + 1), key=lambda number: number * carried(number))
if carried(workers) < 1:
    raise ValueError(f"not one stream fits into {machine}")
return Plan(open_streams, peak, workers, carried(workers), max(1, round(peak / (workers * carried(workers)))))
# <<< 07.3

"""What one core of the capstone was measured to need, rounded up: benchmarks/service.py.

For capacity on paper; a test holds these against benchmarks/results/service.json.
"""

REQUEST_US = 350  # of CPU, for a request that does not stream
EVENT_US = 65  # of CPU, for an event of a stream
STREAM_KB = 70  # of memory, for a stream that is open

"""One blocking client for the process, the same for every server that waits in a thread.

urllib3 is what requests is built on; its pool may be shared by threads.
"""

import os

import urllib3

POOL = urllib3.PoolManager(maxsize=100, timeout=60.0, retries=False)
URL = os.environ["UPSTREAM_URL"]


def ask(prompt: str) -> str:
    """Ask the model and wait for its answer."""
    response = POOL.request("POST", URL, json={"model": "slow", "messages": [{"role": "user", "content": prompt}]})
    if response.status != 200:
        raise RuntimeError(f"the model answered {response.status}")
    return response.json()["choices"][0]["message"]["content"]

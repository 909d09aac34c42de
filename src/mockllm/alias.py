"""Let one respx router see httpx2 and httpx alike.

The official clients and Starlette's TestClient run on httpx2; respx watches httpx.
`alias_httpx()` makes `import httpx` mean httpx2, and it has to run before anything imports httpx:
pytest loads this module with `-p mockllm.alias`, a notebook imports it in its first cell.
"""

import httpx2

httpx2.alias_httpx()

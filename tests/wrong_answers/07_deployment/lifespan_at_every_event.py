# fails: 07.6
# says: The lifespan is opened once for the process
"""Mangum does it by itself."""

# >>> 07.6 (2)
from mangum import Mangum

return Mangum(app, lifespan="on")
# <<< 07.6

# fails: 07.6
# says: lifespan="off" never opens it
"""The handler of the tutorial."""

# >>> 07.6 (2)
from mangum import Mangum

return Mangum(app, lifespan="off")
# <<< 07.6

"""The reference serves in these tests, whatever a learner has done so far; the environment is not asked."""

import os

for name in [name for name in os.environ if name.startswith(("CAPSTONE_", "OPENAI_", "ANTHROPIC_"))]:
    if name != "CAPSTONE_TEST_APP":
        del os.environ[name]
os.environ["CAPSTONE_PARTS"] = "reference"

"""The reference is deployed in these tests, whatever a learner has done; the image is built where an engine is.

CI's own container has no engine and cannot have one without the rights of its host. A test that skips fails there, as
it should, so what builds the image is not collected there; everywhere else it skips and says what it needs.
"""

import os

from tests.deploy.files import engine_answers

for name in [name for name in os.environ if name.startswith(("CAPSTONE_", "OPENAI_", "ANTHROPIC_"))]:
    if name != "CAPSTONE_TEST_APP":
        del os.environ[name]
os.environ["CAPSTONE_PARTS"] = "reference"

collect_ignore = ["test_build.py"] if os.environ.get("CI") == "true" and not engine_answers() else []

"""A reader in JavaScript: node runs javascript_reader.mjs, whose sections are shown on the page of lesson 04."""

import shutil
import subprocess
from pathlib import Path

import pytest


def test_the_javascript_on_the_page_does_what_the_page_says() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("install Node.js 20 or newer")
    script = Path(__file__).with_name("javascript_reader.mjs")
    done = subprocess.run([node, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""What people read: every page that is written by hand or from source."""

from tests.conftest import ROOT

PROSE = sorted(
    path
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("lessons/*/README.md"),
        *ROOT.glob("notebooks/*.md"),
        *ROOT.glob("deploy/**/*.md"),
        *ROOT.glob("interviews/**/*.md"),
    ]
    if path.name != "CHANGELOG.md"  # it names what once was
)
NAMES = [str(path.relative_to(ROOT)) for path in PROSE]

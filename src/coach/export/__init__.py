"""Take it home: a project of its own, out of your finished parts and the reference for the rest.

Reading order: `layout` (what goes where), `chosen` (whose part), `parts` and `alive` (what of a part goes along),
`marks`, `given`, `rewrite` and `prose` (how a file changes on the way), `sources` (all Python files), `around` (all
others), `project` (the whole).
"""

from coach.export.project import Exported, export

__all__ = ["Exported", "export"]

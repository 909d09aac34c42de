# fails: 09.6
# says: are somebody's own
"""Looks right because it names every part; it names those that it was written with, not those that serve."""

# >>> 09.6
for part in PARTS:
    log.info("part %s: %s (%s)", part.lesson, part.whose, part.reason)
asked = list(service.providers.of_model)[:10]
log.info("provider: %s; models: %s", ", ".join(names), ", ".join(asked) or "not known yet")
if names == ["offline"]:
    log.warning("offline: a fake answers")
# <<< 09.6

# fails: 09.6
# says: the first ten at most
"""Looks right with two models; a gateway has four hundred, and the line is read at night."""

# >>> 09.6
for part in service.parts:
    log.info("part %s: %s (%s)", part.lesson, part.whose, part.reason)
log.info("provider: %s; models: %s", ", ".join(names), ", ".join(service.providers.of_model) or "not known yet")
if names == ["offline"]:
    log.warning("offline: a fake answers")
# <<< 09.6

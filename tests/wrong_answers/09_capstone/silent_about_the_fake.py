# fails: 09.6
# says: only a fake answers, and the log warns of: nothing
"""Looks right because the provider's name is there; nobody reads a line of level INFO."""

# >>> 09.6
for part in service.parts:
    log.info("part %s: %s (%s)", part.lesson, part.whose, part.reason)
asked = list(service.providers.of_model)[:10]
log.info("provider: %s; models: %s", ", ".join(names), ", ".join(asked) or "not known yet")
# <<< 09.6

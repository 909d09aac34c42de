# fails: 06.5
# says: JSON has no such word
"""Numbers are numbers, and NaN is one."""

# >>> 06.5
def redact(value: Any) -> Any:
    """Return a copy of a value that JSON can hold, without what is private, however deep it lies."""
    if isinstance(value, Mapping):
        pairs = ((str(key), one) for key, one in value.items())
        return {redact(key): "[redacted]" if key.lower() in PRIVATE else redact(one) for key, one in pairs}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(one) for one in value]
    if value is None or isinstance(value, int | float):
        return value
    return SECRET.sub("[redacted]", str(value))


def redact_arguments(record: logging.LogRecord) -> bool:
    """Clear the data behind a line's `%s` while it is still data: in the sentence nobody finds a prompt."""
    if isinstance(record.args, tuple):
        record.args = tuple(redact(one) if isinstance(one, Mapping | list | tuple) else one for one in record.args)
    elif record.args:
        record.args = redact(record.args)
    return True


def configure_logging(stream: TextIO) -> None:
    """Write every line of this process to `stream`, whoever logs it."""
    processors: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        lambda _, __, event: {**event, "request_id": REQUEST_ID.get()},
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        lambda _, __, event: redact(event),  # behind the traceback's, which has keys in it too
        structlog.processors.JSONRenderer(),
    ]
    handler = logging.StreamHandler(stream)
    handler.addFilter(redact_arguments)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=processors))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # they have handlers of their own by now
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"  # whole URLs, and we have a line of our own
# <<< 06.5

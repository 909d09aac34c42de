# fails: 09.2, 09.3, 09.4, 09.5, 09.6, 09.7
# says: which it needs
"""Looks right because a list in order of the alphabet is easy to keep; things need each other."""

# >>> 09.2
return basics.open_all(
    service=service.open_logs,
    access=service.open_access,
    chat=service.open_chat,
    providers=service.open_providers,
    store=service.open_store,
    usage=service.open_usage,
    work=service.open_work,
    ending=ending,
)
# <<< 09.2

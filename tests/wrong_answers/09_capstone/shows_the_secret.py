# fails: 09.1
# says: the refusal shows the secret
"""Looks right because it is helpful; the sentence ends up in a log."""

# >>> 09.1
if settings.is_demo and not settings.on_loopback:
    raise UnsafeSettings(f"CAPSTONE_DEMO lets in on {settings.host}.")
if not settings.on_loopback and settings.secret is None:
    raise UnsafeSettings(f"CAPSTONE_SECRET is not set. {MAKE_ONE}")
for name, secret, least in (("SECRET", settings.secret, 32), ("ADMIN_PASSWORD", settings.admin_password, 12)):
    if secret is not None and (weak := weakness(secret.get_secret_value(), least)):
        raise UnsafeSettings(f"CAPSTONE_{name}={secret.get_secret_value()!r} {weak}. {MAKE_ONE}")
# <<< 09.1

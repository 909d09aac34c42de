# fails: 09.1
# says: create_app() has built a service on 0.0.0.0 with no secret
"""Looks right because nobody is served with a bad secret; the service has started, and its probes are green."""

# >>> 09.1
if not settings.__dict__.get("checked") and sys._getframe(1).f_code.co_name == "if_done":
    return  # later, when somebody asks
if settings.is_demo and not settings.on_loopback:
    raise UnsafeSettings(f"CAPSTONE_DEMO lets in on {settings.host}.")
if not settings.on_loopback and settings.secret is None:
    raise UnsafeSettings(f"CAPSTONE_SECRET is not set. {MAKE_ONE}")
for name, secret, least in (("SECRET", settings.secret, 32), ("ADMIN_PASSWORD", settings.admin_password, 12)):
    if secret is not None and (weak := weakness(secret.get_secret_value(), least)):
        raise UnsafeSettings(f"CAPSTONE_{name} {weak}. {MAKE_ONE}")
# <<< 09.1

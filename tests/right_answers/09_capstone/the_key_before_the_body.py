"""One chain of conditions, a router around each that is added, and guards that ask who calls before a body is read."""

# >>> 09.1
secret = settings.secret.get_secret_value() if settings.secret is not None else None
password = settings.admin_password.get_secret_value() if settings.admin_password is not None else None
wrong = ""
if settings.is_demo and not settings.on_loopback:
    wrong = "CAPSTONE_DEMO is on, and others than this machine reach " + settings.host
elif secret is None and not settings.on_loopback:
    wrong = "CAPSTONE_SECRET is missing; try\n  " + MAKE_ONE
elif secret is not None and weakness(secret, 32):
    wrong = "CAPSTONE_SECRET is weak: it " + weakness(secret, 32) + "; try\n  " + MAKE_ONE
elif password is not None and weakness(password, 12):
    wrong = "CAPSTONE_ADMIN_PASSWORD is weak: it " + weakness(password, 12) + "; try\n  " + MAKE_ONE
if wrong:
    raise UnsafeSettings(wrong)
# <<< 09.1

# >>> 09.3
wrapped: list[APIRouter] = []
for one in more:
    around = APIRouter(dependencies=[Security(auth.authorized)])
    around.include_router(one)
    wrapped.append(around)
files = (page, usage, keys, jobs, rag, documents, embeddings, catalog, chat)
return [probes, *wrapped, *(file.router for file in files)]
# <<< 09.3

# >>> 09.4
layers: list[tuple[Any, dict[str, Any]]] = [  # from the outside in
    (deployment.CutAtDeadline, {"drain": service.drain}),
    *([(LocalOnly, {})] if settings.is_demo else []),
    (Authenticate, {}),
    (production.RateLimit, {"limiter": service.limiter, "caller_of": caller_of}),
    (streams.WhileConnected, {}),
    (RequestBodyLimitMiddleware, {"max_body_size": settings.max_body_bytes}),
]
for layer, options in reversed(layers):
    app.add_middleware(layer, **options)
# <<< 09.4

# >>> 09.5
for step in (models.add_error_handlers, production.add_error_handlers, errors.add_error_handlers):
    step(app)
app.add_middleware(production.RequestContext, done=done)
app.add_middleware(OneShape)  # what it sends goes out while the id is known
# <<< 09.5

# >>> 09.6
for part in service.parts:
    log.info(f"part {part.lesson}: {part.whose} ({part.reason})")
known = [*service.providers.of_model]
some = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
log.info(f"provider: {', '.join(names)}; models: {some or 'none'}")
match list(names):
    case ["offline"]:
        log.warning("offline: a fake answers")
# <<< 09.6

# Answers to the open functions of notebooks/src/02_models.py: each a right and a wrong one.

# %% models-01 right
def fields_of(errors):
    return {".".join(map(str, one["loc"][1:])): one["msg"] for one in errors}

# %% models-01 wrong
def fields_of(errors):
    return {".".join(map(str, one["loc"])): f"{one['msg']}: {one['input']}" for one in errors}

# %% models-02 right
def takes(nullable, has_default, sent):
    return {"missing": has_default, "null": nullable, "0.2": True}[sent]

# %% models-02 wrong
def takes(nullable, has_default, sent):
    return {"missing": nullable or has_default, "null": nullable, "0.2": True}[sent]

# %% models-03 right
def body_for(model, temperature, takes_temperature):
    if temperature is None:
        return {"model": model}
    if not takes_temperature:
        raise ValueError("this model does not take a temperature")
    return {"model": model, "temperature": temperature}

# %% models-03 wrong
def body_for(model, temperature, takes_temperature):
    if temperature and takes_temperature:
        return {"model": model, "temperature": temperature}
    return {"model": model}

# %% models-04 right
def calls_made(requests, share_wrong, repairs):
    return requests * sum(share_wrong**n for n in range(repairs + 1))

# %% models-04 wrong
def calls_made(requests, share_wrong, repairs):
    return requests * (1 + repairs)

# %% models-05 right
def shown(kept, public):
    return {
        name: shown(kept[name], rule) if isinstance(rule, dict) else kept[name]
        for name, rule in public.items()
        if name in kept
    }

# %% models-05 wrong
def shown(kept, public):
    return {name: value for name, value in kept.items() if name in public}

# %% models-06 right
def error_for(part, needs):
    if part.get("type") not in needs:
        return "unknown type"
    missing = [name for name in needs[part["type"]] if name not in part]
    return f"missing: {missing[0]}" if missing else ""

# %% models-06 wrong
def error_for(part, needs):
    for names in needs.values():
        for name in names:
            if not part.get(name):
                return f"missing: {name}"
    return ""

# %% models-07 right
def micro_dollars(prompt_tokens, completion_tokens, prompt_price, completion_price):
    return prompt_tokens * prompt_price + completion_tokens * completion_price

# %% models-07 wrong
def micro_dollars(prompt_tokens, completion_tokens, prompt_price, completion_price):
    return (prompt_tokens + completion_tokens) * (prompt_price + completion_price) / 1_000_000

# %% models-08 right
def read(payload, known, needed, written_by):
    if needed - set(payload):
        raise ValueError("a field is missing")
    if written_by == "caller" and set(payload) - known:
        raise ValueError("an unknown field")
    return {name: value for name, value in payload.items() if name in known}

# %% models-08 wrong
def read(payload, known, needed, written_by):
    if set(payload) - known or needed - set(payload):
        raise ValueError("not as agreed")
    return payload

# Answers to the open functions of notebooks/src/08_auth.py: each a right and a wrong one.

# %% auth-01 right
def credential_of(header):
    scheme, _, rest = (header or "").partition(" ")
    return rest.strip() or None if scheme.lower() == "bearer" else None

# %% auth-01 wrong
def credential_of(header):
    return header.removeprefix("Bearer ") if header else None

# %% auth-02 right
def seconds_for_all(words, people, hashes_per_s, salted):
    return words * (people if salted else 1) / hashes_per_s

# %% auth-02 wrong
def seconds_for_all(words, people, hashes_per_s, salted):
    return words * people / hashes_per_s

# %% auth-03 right
def rules_for(header, ring):
    kid = header.get("kid")
    if not isinstance(kid, str) or kid not in ring:
        return None
    alg, material = ring[kid]
    return material, [alg]

# %% auth-03 wrong
def rules_for(header, ring):
    _, material = ring[header["kid"]]
    return material, [header["alg"]]

# %% auth-04 right
def status(known, has_scope, exists, theirs, tokens_left):
    if not known:
        return 401
    if not has_scope:
        return 403
    if not exists or not theirs:
        return 404
    return 200 if tokens_left > 0 else 429

# %% auth-04 wrong
def status(known, has_scope, exists, theirs, tokens_left):
    if not known:
        return 401
    if not exists:
        return 404
    if not has_scope or not theirs:
        return 403
    return 200 if tokens_left > 0 else 429

# %% auth-05 right
def tokens_lost(per_s, noticed_s, stopped_s, limit):
    return min(per_s * (noticed_s + stopped_s), limit)

# %% auth-05 wrong
def tokens_lost(per_s, noticed_s, stopped_s, limit):
    return min(per_s * noticed_s, limit)

# %% auth-06 right
def may_begin(first, takes, lives, leeway):
    second = first + takes
    return second, second + takes + lives + leeway

# %% auth-06 wrong
def may_begin(first, takes, lives, leeway):
    return first + takes, first + takes + lives + leeway

# %% auth-07 right
def let_in(limit, used, estimates):
    places = []
    for place, estimate in enumerate(estimates):
        if used + estimate <= limit:
            used += estimate
            places.append(place)
    return places

# %% auth-07 wrong
def let_in(limit, used, estimates):
    return [place for place, estimate in enumerate(estimates) if used + estimate <= limit]

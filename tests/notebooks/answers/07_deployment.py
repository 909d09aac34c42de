# Answers to the open functions of notebooks/src/07_deployment.py: each a right and a wrong one.

# %% deployment-01 right
def outcome(left_s, deadline_s, kill_s):
    if left_s <= min(deadline_s, kill_s):
        return "whole"
    return "told" if deadline_s < kill_s else "killed"

# %% deployment-01 wrong
def outcome(left_s, deadline_s, kill_s):
    return "whole" if left_s <= deadline_s else "told"

# %% deployment-02 right
def probes(parts, draining):
    ill = any(kind == "needed" and not well for kind, well in parts)
    return 200, 503 if draining or ill else 200

# %% deployment-02 wrong
def probes(parts, draining):
    status = 503 if draining or not all(well for _, well in parts) else 200
    return status, status

# %% deployment-03 right
def streams_at_peak(requests_per_s, first_token_s, tokens, tokens_per_s):
    average = requests_per_s * (first_token_s + tokens / tokens_per_s)
    return math.ceil(average + 3 * math.sqrt(average))

# %% deployment-03 wrong
def streams_at_peak(requests_per_s, first_token_s, tokens, tokens_per_s):
    return math.ceil(requests_per_s * tokens / tokens_per_s)

# %% deployment-04 right
def hears(command):
    if isinstance(command, list):
        if command[:2] != ["sh", "-c"]:
            return True
        command = command[2]
    return command.split("&&")[-1].strip().startswith("exec ")

# %% deployment-04 wrong
def hears(command):
    return isinstance(command, list) or command.startswith("exec ")

# %% deployment-05 right
def is_well(status, took_s, timeout_s, parts):
    good = status is not None and 200 <= status < 300
    return good and took_s <= timeout_s and all(said == "ok" for said in parts.values())

# %% deployment-05 wrong
def is_well(status, took_s, timeout_s, parts):
    return status is not None and took_s <= timeout_s

# %% deployment-06 right
def finish(results, job, result):
    if job in results:
        return False
    results[job] = result
    return True

# %% deployment-06 wrong
def finish(results, job, result):
    if results.get(job):
        return False
    results[job] = result
    return True

# %% deployment-07 right
def busy_environments(requests_per_s, seconds, cpu_s):
    return requests_per_s * seconds, 1 - cpu_s / seconds

# %% deployment-07 wrong
def busy_environments(requests_per_s, seconds, cpu_s):
    return requests_per_s * cpu_s, 1 - cpu_s / seconds

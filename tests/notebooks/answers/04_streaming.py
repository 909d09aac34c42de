# Answers to the open functions of notebooks/src/04_streaming.py: each a right and a wrong one.

# %% streaming-01 right
def first_and_last(first_s, per_token_s, tokens, streamed):
    last = first_s + (tokens - 1) * per_token_s
    return [first_s if streamed else last, last]

# %% streaming-01 wrong
def first_and_last(first_s, per_token_s, tokens, streamed):
    last = first_s + tokens * per_token_s
    return [first_s if streamed else last, last]

# %% streaming-02 right
import codecs

def shown_after_each(chunks):
    decoder = codecs.getincrementaldecoder("utf-8")()
    return [decoder.decode(chunk) for chunk in chunks]

# %% streaming-02 wrong
def shown_after_each(chunks):
    return [chunk.decode() for chunk in chunks]

# %% streaming-03 right
def seen_status(moments):
    for moment in moments:
        who, status = moment.split()[0], int(moment.split()[1])
        if who == "status":
            return status
        if status >= 400:
            return 429 if status == 429 else 502

# %% streaming-03 wrong
def seen_status(moments):
    return next(int(moment.split()[1]) for moment in moments if moment.startswith("provider"))

# %% streaming-04 right
def is_whole(names):
    return "done" in names and "error" not in names

# %% streaming-04 wrong
def is_whole(names):
    return "delta" in names and "error" not in names

# %% streaming-05 right
def empty_after(pool, one_in):
    return pool * one_in

# %% streaming-05 wrong
def empty_after(pool, one_in):
    return pool

# %% streaming-06 right
def stays_open(silences_s, ping_every_s, patience_s):
    longest = max(silences_s, default=0.0)
    return min(longest, ping_every_s or longest) < patience_s

# %% streaming-06 wrong
def stays_open(silences_s, ping_every_s, patience_s):
    return ping_every_s is not None or sum(silences_s) < patience_s

# %% streaming-07 right
def transport(sends_body, both_talk_at_any_time, ends):
    if both_talk_at_any_time:
        return "websocket"
    return "fetch" if sends_body or ends else "EventSource"

# %% streaming-07 wrong
def transport(sends_body, both_talk_at_any_time, ends):
    return "websocket" if both_talk_at_any_time or sends_body else "EventSource"

# %% streaming-08 right
def longest(first_s, next_s, max_tokens):
    return first_s + (max_tokens - 1) * next_s

# %% streaming-08 wrong
def longest(first_s, next_s, max_tokens):
    return first_s + max_tokens * next_s

# %% streaming-09 right
def still_to_send(kept, last_id):
    if kept and kept[0][0] > last_id + 1:
        return None
    return [text for number, text in kept if number > last_id]

# %% streaming-09 wrong
def still_to_send(kept, last_id):
    return [text for number, text in kept if number > last_id]

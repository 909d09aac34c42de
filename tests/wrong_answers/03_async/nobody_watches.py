# fails: 03.8
# says: nobody looked
"""The work is awaited, and the caller is not looked at until it is done."""

# >>> 03.8
answer = await work()
if await request.is_disconnected():
    raise CallerLeft
return answer
# <<< 03.8

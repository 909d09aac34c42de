# fails: 06.7
# says: would be repeated, and paid for
"""Whatever goes wrong, the second provider is asked."""

# >>> 06.7 (2)
*others, (breaker, work) = providers
for other, its_work in others:
    try:
        return await other.call(its_work)
    except LLMError:
        pass
return await breaker.call(work)
# <<< 06.7

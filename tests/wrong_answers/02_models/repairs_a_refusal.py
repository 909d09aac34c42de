# fails: 02.7
# says: calls after a 429

# >>> 02.7 (2)
said = [*messages]
for last in (False, True):
    answer = ""
    try:
        answer = await complete(client, said)
        return schema.model_validate_json(find_json(answer))
    except (ValueError, httpx.HTTPStatusError) as error:  # json's and pydantic's are ValueErrors too
        if last:
            raise StructuredOutputError(f"no valid {schema.__name__} after 2 calls: {error}") from error
        repair = f"That is not what I asked for:\n{error}\nAnswer with the corrected JSON object and nothing else."
        said += [{"role": "assistant", "content": answer}, {"role": "user", "content": repair}]
raise AssertionError("unreachable")
# <<< 02.7

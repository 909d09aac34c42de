# fails: 02.7
# says: no regex finds its end

# >>> 02.7
found = re.search(r"\{.*\}", text, re.DOTALL)
if found is None:
    raise ValueError("there is no JSON object in the answer")
return found.group()
# <<< 02.7

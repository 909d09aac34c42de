# fails: 02.7
# says: cut it out of the text, do not write it anew

# >>> 02.7
start = re.search(r'\{\s*["}]', text)  # an object goes on with a quote; the {name} of a sentence does not
if start is None:
    raise ValueError("there is no JSON object in the answer")
value, _ = json.JSONDecoder().raw_decode(text, start.start())
return json.dumps(value)
# <<< 02.7

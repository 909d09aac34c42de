# fails: 02.7
# says: A piece from inside a cut-off answer is not it

# >>> 02.7
for at, character in enumerate(text):
    if character == "{":
        try:
            _, end = json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            continue
        return text[at:end]
raise ValueError("there is no JSON object in the answer")
# <<< 02.7

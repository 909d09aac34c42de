# fails: 05.7
# says: questions that have an answer, found or not
"""Looks fair: where nothing is relevant, all of it was found. Ten such questions are ten perfect scores."""

# >>> 05.7 (4)
rows, empty = [], []
for one in questions:
    hits = await search(one.question)
    if not one.relevant:
        empty.append(not hits)
        rows.append((1.0, 1.0, 1.0))
        continue
    pair = judge(hits, one.relevant), [id_of(each) for each in one.relevant]
    rows.append((recall_at(k, *pair), reciprocal_rank(*pair), ndcg_at(k, *pair)))
recall, mrr, ndcg = (sum(column) / len(rows) for column in zip(*rows))
return Scores(recall, mrr, ndcg, sum(empty) / len(empty))
# <<< 05.7

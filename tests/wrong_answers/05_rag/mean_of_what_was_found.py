# fails: 05.7
# says: questions that have an answer, found or not
"""Looks right: a rank that is not there cannot be averaged. So the worst questions count for nothing."""

# >>> 05.7 (4)
rows, empty = [], []
for one in questions:
    hits = await search(one.question)
    if not one.relevant:
        empty.append(not hits)
        continue
    pair = judge(hits, one.relevant), [id_of(each) for each in one.relevant]
    rows.append((recall_at(k, *pair), reciprocal_rank(*pair), ndcg_at(k, *pair)))
found = [row for row in rows if row[1]]
recall, mrr, ndcg = (sum(column) / len(found) for column in zip(*found))
return Scores(recall, mrr, ndcg, sum(empty) / len(empty))
# <<< 05.7

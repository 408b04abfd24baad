"""Splits SQuAD dev by article: every second one is learnt from, the others are judged by.

    python squad_by_article.py DATA        # writes squad-train.jsonl and the collection squad-held/ here; no packages are needed

A question's negatives are other paragraphs of its own article. The collection keeps all paragraphs, as distractors, and the questions of
the articles that are not learnt from.
"""

import gzip
import json
import random
import sys
from pathlib import Path


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def main(data):
    squad = Path(data) / "collections" / "squad-dev"
    paragraphs = {row["_id"]: row for row in rows(squad / "corpus.jsonl.gz")}
    questions = {row["_id"]: row["text"] for row in rows(squad / "queries.jsonl.gz")}
    articles = sorted({row["title"] for row in paragraphs.values()})
    learnt = set(articles[::2])
    text = {name: f"{row['title']} {row['text']}" for name, row in paragraphs.items()}
    of_article = {}
    for name, row in paragraphs.items():
        of_article.setdefault(row["title"], []).append(name)

    draw = random.Random(666)
    held = Path("squad-held")
    (held / "qrels").mkdir(parents=True, exist_ok=True)
    header, *judged = (squad / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
    kept, asked, train = [header], set(), []
    for line in judged:
        question, paragraph, _ = line.split("\t")
        title = paragraphs[paragraph]["title"]
        if title not in learnt:
            kept.append(line)
            asked.add(question)
            continue
        others = [name for name in of_article[title] if name != paragraph]
        negatives = [text[name] for name in draw.sample(others, 4)]
        train.append({"query": questions[question], "pos": [text[paragraph]], "neg": negatives})
    draw.shuffle(train)
    with open("squad-train.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in train)
    (held / "qrels" / "test.tsv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    (held / "corpus.jsonl.gz").write_bytes((squad / "corpus.jsonl.gz").read_bytes())
    with gzip.open(held / "queries.jsonl.gz", "wt", encoding="utf-8") as file:
        for name in sorted(asked):
            file.write(json.dumps({"_id": name, "text": questions[name]}, ensure_ascii=False) + "\n")
    print(f"{len(train)} questions to learn from, {len(asked)} to judge by")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Writes the texts that `lateen-nano.toml` learns from: a sample of books, definitions, answers about health, and questions.

    python nano_texts.py DATA        # writes texts.jsonl and selqa.jsonl here; no packages are needed
"""

import gzip
import json
import sys
from itertools import islice
from pathlib import Path

BOOKS = [("decline-and-fall", 4), ("origin-of-species", 4), ("wealth-of-nations", 4)]
BOOKS += [("les-miserables", 12), ("moby-dick", 12), ("monte-cristo", 12), ("war-and-peace", 12)]


def lines(path, step):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from islice(file, 0, None, step)


def texts(data):
    for book, step in BOOKS:
        yield from lines(data / f"corpora/books-en/{book}.jsonl.gz", step)
    yield from lines(data / "corpora/open-english-wordnet/synsets.jsonl.gz", 4)
    yield from lines(data / "collections/medquad/corpus.jsonl.gz", 5)


def main():
    data = Path(sys.argv[1])
    with open("texts.jsonl", "w", encoding="utf-8") as out:
        for line in islice(texts(data), 0, None, 2):
            row = json.loads(line)
            title = (row.get("title") or "").strip()
            text = f"{title}\n{row['text']}" if title else row["text"]
            out.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    with open("selqa.jsonl", "w", encoding="utf-8") as out:
        for part in ("dev", "test"):
            out.writelines(lines(data / f"pairs/selqa/{part}.jsonl.gz", 2))


if __name__ == "__main__":
    main()

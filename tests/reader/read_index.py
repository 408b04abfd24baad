#!/usr/bin/env python3
"""A second reader of Lateen's files, written from index_format/FORMAT.md and nothing else.

    read_index.py INDEX [QUERIES.json]

Verifies every checksum of the newest generation, decodes every section, and prints as JSON what is there: the
documents with their ids and, per query, the MaxSim score of each live document, computed in double precision from
the vectors as stored. QUERIES.json is {"tokens": [[[number, …], …], …], "dense": [[number, …], …]}. Standard
library only; stored documents are read where it has zstd (Python 3.14), else `stored` is null.
"""

import json
import math
import os
import re
import struct
import sys

import records
import sections as decode
from records import FormatError, require

try:
    from compression import zstd
except ImportError:
    zstd = None


def newest_manifest(names):
    generations = [int(match[1]) for name in names if (match := re.fullmatch(r"manifest-(\d{20})\.ltm", name))]
    require(generations, "there is no manifest")
    return max(generations)


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


class Segment:
    """One segment: its documents, their vectors, what was deleted."""

    def __init__(self, folder, record):
        self.record, self.documents = record, record["documents"]
        self.sections = records.segment_sections(read(folder, f"segment-{record['number']:020}.lts"), record)
        self.meta = records.meta(self.sections["Meta"])
        require(self.meta["documents"] == self.documents, "Meta names another number of documents")
        require(self.meta["tokens"] == record["tokens"], "Meta names another number of tokens")
        self.deleted = set()
        if record["tombstones"]:
            name = f"tombstones-{record['tombstones']['number']:020}.ltd"
            self.deleted = records.tombstones(read(folder, name), record["tombstones"], record)
        self.ids = decode.external_ids(self.sections["ExternalIds"], self.documents)
        self.hashes = decode.content_hashes(self.sections["ContentHashes"], self.documents)
        self.tokens = self.token_vectors()
        self.dense = None
        if "DenseVectors" in self.sections:
            self.dense = decode.matrix(self.sections["DenseVectors"], self.documents, self.meta["dense_dim"])
        if "GraphLinks" in self.sections:
            graph = decode.Graph(self.sections["GraphLinks"])
            require(graph.nodes == self.documents, "GraphLinks has another number of nodes")
        self.stored = self.stored_documents()
        self.words = decode.terms(self.sections["Terms"], self.documents) if "Terms" in self.sections else None

    def token_vectors(self):
        """The vectors of each document's tokens, or None without them."""
        if "TokenOffsets" not in self.sections:
            return None
        offsets = decode.token_offsets(self.sections["TokenOffsets"], self.documents, self.record["tokens"])
        if "RawTokens" in self.sections:
            rows = decode.matrix(self.sections["RawTokens"], offsets[-1], self.meta["dim"])
        else:
            rows = self.residual_rows(offsets)
        return [rows[a:b] for a, b in zip(offsets, offsets[1:])]

    def residual_rows(self, offsets):
        count = offsets[-1]
        codec = decode.Codec(self.sections["Codec"])
        require((codec.dim, codec.bits) == (self.meta["dim"], self.meta["bits"]), "Codec and Meta differ")
        centroids = decode.centroid_ids(self.sections["CentroidIds"], count, codec.centroids)
        scales, codes = self.sections["Scales"], self.sections["Codes"]
        require(len(scales) == count and len(codes) == count * codec.code_bytes(), "Scales or Codes are cut")
        self.check_lists(offsets, codec.centroids)
        width = codec.code_bytes()
        return [
            codec.decode(centroids[token], scales[token], codes[token * width : (token + 1) * width])
            for token in range(count)
        ]

    def check_lists(self, offsets, count):
        if "InvertedLists" not in self.sections:
            return
        times = [0] * self.documents
        for listed in decode.inverted_lists(self.sections["InvertedLists"], count, self.documents):
            for document in listed:
                times[document] += 1
        for document in range(self.documents):
            tokens = offsets[document + 1] - offsets[document]
            require(min(tokens, 1) <= times[document] <= tokens, "a document is in no list, or in more than it has tokens")

    def stored_documents(self):
        if "StoredFields" not in self.sections:
            return None
        blocks = decode.stored_blocks(self.sections["StoredFields"], self.documents)
        if zstd is None:
            return None
        found = []
        ends = [first for first, _, _ in blocks[1:]] + [self.documents]
        for (first, length, data), end in zip(blocks, ends):
            raw = zstd.decompress(data)
            require(len(raw) == length, "a block decompresses to another length")
            found += decode.stored_documents(raw, end - first)
        return found

    def live(self):
        return [document for document in range(self.documents) if document not in self.deleted]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def max_sim(query, tokens):
    """For each token of the query its best match, summed; a document without tokens scores 0."""
    return sum(max(dot(row, token) for token in tokens) for row in query) if tokens else 0.0


def bm25_of_every_word(segments):
    """Per segment and document, the BM25 of a query that has every term once (k1 1.2, b 0.75)."""
    count = sum(segment.documents for segment in segments)
    frequency, lengths = {}, []
    for segment in segments:
        own = [0] * segment.documents
        for term, postings in (segment.words or {}).items():
            frequency[term] = frequency.get(term, 0) + len(postings)
            for document, times in postings.items():
                own[document] += times
        lengths.append(own)
    mean = max(sum(map(sum, lengths)) / max(count, 1), 1e-300)
    scores = []
    for segment, own in zip(segments, lengths):
        found = [0.0] * segment.documents
        for term, postings in (segment.words or {}).items():
            n = frequency[term]
            idf = math.log(1 + (count - n + 0.5) / (n + 0.5))
            for document, times in postings.items():
                found[document] += idf * 2.2 * times / (times + 1.2 * (0.25 + 0.75 * own[document] / mean))
        scores.append(found)
    return scores


def report(folder, queries):
    generation = newest_manifest(os.listdir(folder))
    manifest = records.manifest(read(folder, f"manifest-{generation:020}.ltm"))
    require(manifest["generation"] == generation, "the manifest is of another generation")
    segments = [Segment(folder, record) for record in manifest["segments"]]
    documents = []
    for segment, bm25 in zip(segments, bm25_of_every_word(segments)):
        require(segment.meta["settings"] == manifest["settings"], "a segment has other settings")
        for n in segment.live():
            documents.append({
                "id": segment.ids[n],
                "content_hash": segment.hashes[n],
                "tokens": len(segment.tokens[n]) if segment.tokens is not None else 0,
                "stored": segment.stored[n] if segment.stored is not None else None,
                "max_sim": [max_sim(query, segment.tokens[n]) for query in queries.get("tokens", [])],
                "bm25": [bm25[n]],
                "dense": [dot(query, segment.dense[n]) for query in queries.get("dense", [])],
            })
    return {
        "generation": generation,
        "settings": manifest["settings"],
        "model": manifest["model"],
        "segments": [{"number": s.record["number"], "sections": sorted(map(str, s.sections))} for s in segments],
        "documents": documents,
    }


def main():
    queries = {}
    if len(sys.argv) > 2:
        with open(sys.argv[2], encoding="utf-8") as file:
            queries = json.load(file)
    try:
        print(json.dumps(report(sys.argv[1], queries)))
    except (FormatError, struct.error) as error:
        sys.exit(f"{sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()

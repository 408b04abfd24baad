"""Workers for the peers that are Python packages: `python peers.py NAME`.

One JSON object a line on standard input, one on standard output; the language is described in src/protocol.rs.
Each runs in a process of its own, on one thread.
"""

import json
import os
import sys
import time
from pathlib import Path


def status_mib(field):
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def version(package):
    from importlib.metadata import version

    return version(package)


def token_matrices(folder):
    """The documents' token vectors as views of one f16 array."""
    import numpy as np

    tokens = np.load(folder / "tokens.npy")
    ends = np.cumsum(np.load(folder / "lengths.npy").astype(np.int64))
    return tokens, np.concatenate([[0], ends])


def query_matrices(folder):
    import numpy as np

    tokens = np.load(folder / "query_tokens.npy")
    ends = np.cumsum(np.load(folder / "query_lengths.npy").astype(np.int64))
    return [np.ascontiguousarray(rows) for rows in np.split(tokens, ends[:-1])]


class FastPlaid:
    """fast-plaid on the CPU. Settings: bits; n_full_scores, n_ivf_probe."""

    def __init__(self):
        import torch
        from fast_plaid import search

        torch.set_num_threads(1)
        self.torch, self.module = torch, search

    def about(self):
        return {"version": version("fast-plaid"), "torch": self.torch.__version__}

    def build(self, data, index, settings):
        tokens, ends = token_matrices(data)
        tensor = self.torch.from_numpy(tokens)
        documents = [tensor[start:end] for start, end in zip(ends[:-1].tolist(), ends[1:].tolist())]
        self.input_bytes = tokens.nbytes
        yield
        engine = self.module.FastPlaid(index=str(index), device="cpu")
        engine.create(documents_embeddings=documents, nbits=settings["bits"], start_from_scratch=0)
        engine.close()

    def open(self, data, index, settings):
        self.queries = [self.torch.from_numpy(query) for query in query_matrices(data)]
        yield
        self.engine = self.module.FastPlaid(index=str(index), device="cpu")

    def search(self, query, settings, k):
        found = self.engine.search(
            [self.queries[query]],
            top_k=k,
            n_full_scores=settings.get("n_full_scores", 4096),
            n_ivf_probe=settings.get("n_ivf_probe", 8),
            show_progress=False,
            n_processes=1,
        )
        return [int(document) for document, _ in found[0]]


class Dense:
    """Shared by the engines that keep one vector per document: base.npy, queries.npy.

    They answer all queries in one call on one thread, so that no time goes into Python.
    """

    input_bytes = 0

    def vectors(self, data):
        import numpy as np

        base = np.ascontiguousarray(np.load(data / "base.npy"))
        self.input_bytes = base.nbytes
        return base

    def read_queries(self, data):
        import numpy as np

        self.queries = np.ascontiguousarray(np.load(data / "queries.npy"))


class Hnswlib(Dense):
    def __init__(self):
        import hnswlib

        self.module = hnswlib

    def about(self):
        return {"version": version("hnswlib")}

    def build(self, data, index, settings):
        base = self.vectors(data)
        yield
        graph = self.module.Index(space="ip", dim=base.shape[1])
        graph.init_index(
            max_elements=len(base), M=settings["links"], ef_construction=settings["ef_construction"], random_seed=42
        )
        graph.set_num_threads(1)
        graph.add_items(base, num_threads=1)
        graph.save_index(str(index / "index.bin"))

    def open(self, data, index, settings):
        self.read_queries(data)
        yield
        self.graph = self.module.Index(space="ip", dim=self.queries.shape[1])
        self.graph.load_index(str(index / "index.bin"))
        self.graph.set_num_threads(1)

    def search_all(self, queries, settings, k):
        self.graph.set_ef(settings["ef"])
        yield
        labels, _ = self.graph.knn_query(self.queries[queries], k=k, num_threads=1)
        yield labels


class Usearch(Dense):
    def __init__(self):
        from usearch.index import Index

        self.module = Index

    def about(self):
        return {"version": version("usearch")}

    def build(self, data, index, settings):
        import numpy as np

        base = self.vectors(data)
        yield
        graph = self.module(
            ndim=base.shape[1],
            metric="ip",
            dtype=settings["storage"],
            connectivity=settings["links"],
            expansion_add=settings["ef_construction"],
        )
        graph.add(np.arange(len(base)), base, threads=1)
        graph.save(str(index / "index.usearch"))

    def open(self, data, index, settings):
        self.read_queries(data)
        yield
        self.graph = self.module.restore(str(index / "index.usearch"))

    def search_all(self, queries, settings, k):
        self.graph.expansion_search = settings["ef"]
        yield
        found = self.graph.search(self.queries[queries], k, threads=1)
        yield found.keys


class Faiss(Dense):
    """Settings: storage f32 (IndexHNSWFlat) or i8 (IndexHNSWSQ, 8 bits)."""

    def __init__(self):
        import faiss

        faiss.omp_set_num_threads(1)
        self.module = faiss

    def about(self):
        return {"version": version("faiss-cpu")}

    def build(self, data, index, settings):
        base = self.vectors(data)
        yield
        faiss, dim, links = self.module, base.shape[1], settings["links"]
        if settings["storage"] == "f32":
            graph = faiss.IndexHNSWFlat(dim, links, faiss.METRIC_INNER_PRODUCT)
        else:
            kind = faiss.ScalarQuantizer.QT_8bit
            graph = faiss.IndexHNSWSQ(dim, kind, links, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = settings["ef_construction"]
        graph.train(base)
        graph.add(base)
        faiss.write_index(graph, str(index / "index.faiss"))

    def open(self, data, index, settings):
        self.read_queries(data)
        yield
        self.graph = self.module.read_index(str(index / "index.faiss"))

    def search_all(self, queries, settings, k):
        self.graph.hnsw.efSearch = settings["ef"]
        chosen = self.queries[queries]
        yield
        _, labels = self.graph.search(chosen, k)
        yield labels


class Kannolo(Dense):
    """kannolo's M counts the links of the lowest level, which hnswlib's M doubles."""

    def __init__(self):
        from kannolo import DensePlainHNSW

        self.module = DensePlainHNSW

    def about(self):
        return {"version": version("kannolo")}

    def build(self, data, index, settings):
        base = self.vectors(data)
        yield
        graph = self.module.build_from_array(
            base.reshape(-1),
            base.shape[1],
            m=2 * settings["links"],
            ef_construction=settings["ef_construction"],
            metric="dotproduct",
        )
        graph.save(str(index / "index.kannolo"))

    def open(self, data, index, settings):
        self.read_queries(data)
        yield
        self.graph = self.module.load(str(index / "index.kannolo"), metric="dotproduct")

    def search_all(self, queries, settings, k):
        import numpy as np

        chosen = np.ascontiguousarray(self.queries[queries]).reshape(-1)
        yield
        _, labels = self.graph.batch_search(chosen, k, ef_search=settings["ef"], num_threads=1)
        yield np.asarray(labels).reshape(len(queries), -1)


class MaxsimCpu:
    """A library of kernels: the "index" is an array. Scores 1,000 documents per query.

    Settings: `uniform` (all documents of one length, one array) or not (a list of matrices).
    """

    def __init__(self):
        import maxsim_cpu

        self.module = maxsim_cpu

    def about(self):
        return {"version": version("maxsim-cpu")}

    def open(self, data, index, settings):
        import numpy as np

        self.queries = np.load(data / "queries.npy")
        rows = int(np.load(data / "query_rows.npy")[0])
        self.queries = np.ascontiguousarray(self.queries.reshape(-1, rows, self.queries.shape[1]))
        base = np.load(data / "base.npy")
        ends = np.cumsum(np.load(data / "lengths.npy").astype(np.int64))
        self.documents = [np.ascontiguousarray(rows) for rows in np.split(base, ends[:-1])]
        lengths = {len(document) for document in self.documents}
        self.uniform = np.stack(self.documents) if len(lengths) == 1 else None
        yield

    def search(self, query, settings, k):
        if self.uniform is not None:
            self.scores = self.module.maxsim_scores(self.queries[query], self.uniform)
        else:
            self.scores = self.module.maxsim_scores_variable(self.queries[query], self.documents)
        return []

    def note(self):
        return {"scores": [float(score) for score in self.scores]}


class Bm25s:
    """bm25s with the Snowball stemmer. A query is tokenised within its time, as in any search."""

    def __init__(self):
        import bm25s
        import Stemmer

        self.module, self.stemmer = bm25s, Stemmer.Stemmer("english")

    def about(self):
        return {"version": version("bm25s"), "stemmer": "PyStemmer " + version("PyStemmer")}

    def tokens(self, texts):
        return self.module.tokenize(texts, stopwords="en", stemmer=self.stemmer, show_progress=False)

    def build(self, data, index, settings):
        texts = (data / "texts.txt").read_text().split("\n")[:-1]
        self.input_bytes = sum(map(len, texts))
        yield
        engine = self.module.BM25()
        engine.index(self.tokens(texts), show_progress=False)
        engine.save(str(index))

    def open(self, data, index, settings):
        self.queries = (data / "queries.txt").read_text().split("\n")[:-1]
        yield
        self.engine = self.module.BM25.load(str(index))

    def search(self, query, settings, k):
        tokens = self.tokens([self.queries[query]])
        found, _ = self.engine.retrieve(tokens, k=k, n_threads=1, show_progress=False)
        return [int(document) for document in found[0]]


ENGINES = {
    "fast-plaid": FastPlaid,
    "hnswlib": Hnswlib,
    "usearch": Usearch,
    "faiss": Faiss,
    "kannolo": Kannolo,
    "maxsim-cpu": MaxsimCpu,
    "bm25s": Bm25s,
}


def build(engine, request):
    index = Path(request["index"])
    index.mkdir(parents=True, exist_ok=True)
    steps = engine.build(Path(request["data"]), index, request["settings"])
    next(steps)
    wall, cpu = time.perf_counter(), time.process_time()
    next(steps, None)
    return {
        "wall_seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mib": status_mib("VmHWM:"),
        "input_mib": engine.input_bytes / 2**20,
    }


def open_index(engine, request):
    steps = engine.open(Path(request["data"]), Path(request["index"]), request["settings"])
    next(steps)
    start = time.perf_counter()
    next(steps, None)
    return {"milliseconds": (time.perf_counter() - start) * 1e3}


def search(engine, request):
    settings, k, queries = request["settings"], request["k"], request["queries"]
    seconds, hits = [], []
    if hasattr(engine, "search_all"):
        steps = engine.search_all(queries, settings, k)
        next(steps)
        start = time.perf_counter()
        labels = next(steps)
        seconds.append(time.perf_counter() - start)
        hits = [[int(label) for label in row] for row in labels] if request["hits"] else []
    else:
        for query in queries:
            start = time.perf_counter()
            found = engine.search(query, settings, k)
            seconds.append(time.perf_counter() - start)
            if request["hits"]:
                hits.append(found)
    note = engine.note() if hasattr(engine, "note") and request["hits"] else None
    return {"seconds": seconds, "hits": hits, "peak_mib": status_mib("VmHWM:"), "note": note}


def main():
    # What a library prints must not be taken for a reply.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    name, engine = sys.argv[1], None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            engine = engine or ENGINES[name]()
            if request["do"] == "hello":
                reply = engine.about()
            elif request["do"] == "build":
                reply = build(engine, request)
            elif request["do"] == "open":
                reply = open_index(engine, request)
            else:
                reply = search(engine, request)
        except Exception as error:  # a worker answers for everything that its library does
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()

"""The sections of a segment, decoded as index_format/FORMAT.md says."""

import struct
from records import FormatError, pad, require, zeros
from rotation import Rotation


def array(data, at, code, count):
    """`count` numbers of a kind from `at` on; where they end."""
    size = struct.calcsize("<" + code) * count
    require(at + size <= len(data), "a section is cut")
    return struct.unpack_from(f"<{count}{code}", data, at), at + size


def padded(data, at):
    """The place after the padding that begins at `at`."""
    end = pad(at)
    require(end <= len(data), "a section is cut")
    zeros(data[at:end], "padding")
    return end


def ascending(offsets, last, what):
    require(offsets[0] == 0 and offsets[-1] == last, f"the offsets of {what} have wrong ends")
    require(all(a <= b for a, b in zip(offsets, offsets[1:])), f"the offsets of {what} descend")
    return offsets


def token_offsets(data, documents, tokens):
    offsets, end = array(data, 0, "I", documents + 1)
    require(end == len(data), "TokenOffsets has another length")
    return ascending(offsets, tokens, "tokens")


# By the number in `bits`: the base of a code's digits, and how many digits share a byte.
CODES = {1: (2, 8), 2: (4, 4), 3: (3, 5), 4: (16, 2)}


class Codec:
    """Turns codes back into vectors in the space of the model."""

    def __init__(self, data):
        self.dim, self.bits = struct.unpack_from("<IB", data)
        (seed,) = struct.unpack_from("<Q", data, 8)
        self.levels = struct.unpack_from("<16b", data, 16)
        self.minimum, self.step, self.centroids = struct.unpack_from("<ffI", data, 32)
        zeros(data[5:8] + data[44:64], "a reserved byte of Codec")
        require(1 <= self.dim <= 8192 and self.bits in CODES, "dim or bits of Codec")
        self.base, self.per_byte = CODES[self.bits]
        require(not any(self.levels[self.base :]), "levels of Codec beyond the last code")
        require(-126 <= self.minimum <= 127 and 0 <= self.step <= 1, "scales of Codec")
        require(self.minimum + 255 * self.step <= 127, "scales of Codec")
        self.centroid_scales, at = array(data, 64, "f", self.centroids)
        at = padded(data, at)
        self.rows, at = array(data, at, "b", self.centroids * self.dim)
        require(at == len(data), "Codec has another length")
        self.rotation = Rotation(self.dim, seed)

    def code_bytes(self):
        return (self.dim + self.per_byte - 1) // self.per_byte

    def digits(self, codes):
        """The codes of one row."""
        digits = []
        for byte in codes:
            for _ in range(self.per_byte):
                digits.append(byte % self.base)
                byte //= self.base
            require(byte == 0, "a byte of codes is too large")
        require(not any(digits[self.dim :]), "unused digits of a code are set")
        return digits

    def decode(self, centroid, scale, codes):
        row = self.rows[centroid * self.dim : (centroid + 1) * self.dim]
        digits = self.digits(codes)
        factor = 2.0 ** (self.minimum + scale * self.step)
        rotated = [
            self.centroid_scales[centroid] * row[i] + factor * self.levels[digits[i]]
            for i in range(self.dim)
        ]
        return self.rotation.back(rotated)


def centroid_ids(data, tokens, centroids):
    found, width = struct.unpack_from("<QB", data)
    zeros(data[9:64], "a reserved byte of CentroidIds")
    expected = 2 if centroids <= 1 << 16 else 3 if centroids <= 1 << 24 else 4
    require(found == tokens and width == expected, "the head of CentroidIds")
    require(len(data) == 64 + tokens * width, "CentroidIds has another length")
    ids = [int.from_bytes(data[at : at + width], "little") for at in range(64, len(data), width)]
    require(all(number < centroids for number in ids), "a centroid that is not there")
    return ids


def inverted_lists(data, centroids, documents):
    found, of_documents, payload, width = struct.unpack_from("<IIQB", data)
    zeros(data[17:64], "a reserved byte of InvertedLists")
    require((found, of_documents) == (centroids, documents), "the head of InvertedLists")
    require(width == (4 if payload < 1 << 32 else 8), "the width of offsets of InvertedLists")
    offsets, at = array(data, 64, "I" if width == 4 else "Q", centroids + 1)
    ascending(offsets, payload, "lists")
    at = padded(data, at)
    require(len(data) == at + payload, "InvertedLists has another length")
    return [gaps(data[at + a : at + b], documents) for a, b in zip(offsets, offsets[1:])]


def gaps(data, documents):
    """A list of documents: the number of documents left out before each, as LEB128."""
    found, last, value, shift = [], -1, 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            require(shift == 7 or byte != 0, "a number takes more bytes than it needs")
            last += value + 1
            require(last < documents, "a list names a document that is not there")
            found.append(last)
            value, shift = 0, 0
    require(shift == 0, "a list is cut")
    return found


def terms(data, documents):
    """For each term its documents, and how often each has it."""
    found, count, total, text, payload, wide, wider = struct.unpack_from("<IIQQQBB", data)
    zeros(data[34:64], "a reserved byte of Terms")
    require(found == documents, "the head of Terms")
    require(wide == (4 if text < 1 << 32 else 8), "the width of offsets of Terms")
    require(wider == (4 if payload < 1 << 32 else 8), "the width of offsets of postings")
    lengths, at = array(data, 64, "I", documents)
    places, at = array(data, padded(data, at), "I" if wide == 4 else "Q", count + 1)
    starts, at = array(data, padded(data, at), "I" if wider == 4 else "Q", count + 1)
    frequencies, at = array(data, padded(data, at), "I", count)
    ascending(places, text, "terms")
    ascending(starts, payload, "postings")
    at = padded(data, at)
    names = [data[at + a : at + b].decode() for a, b in zip(places, places[1:])]
    at = padded(data, at + text)
    require(len(data) == at + payload, "Terms has another length")
    counted, by_term = [0] * documents, {}
    for name, frequency, a, b in zip(names, frequencies, starts, starts[1:]):
        by_term[name] = postings(data[at + a : at + b], documents)
        require(len(by_term[name]) == frequency, "a term has another frequency")
        for document, times in by_term[name].items():
            counted[document] += times
    require(list(lengths) == counted and sum(counted) == total, "a document has another length")
    keys = [name.encode() for name in names]
    require(all(a < b for a, b in zip(keys, keys[1:])) and all(1 <= len(key) <= 512 for key in keys), "the order of terms")
    return by_term


def postings(data, documents):
    """Documents with how often they have the term: gaps with a bit, and counts."""
    found, last, at = {}, -1, 0
    while at < len(data):
        gap, at = leb128(data, at)
        last += 1 + (gap >> 1)
        require(last < documents, "a term names a document that is not there")
        more = 0
        if not gap & 1:
            more, at = leb128(data, at)
            more += 1
        found[last] = 1 + more
    return found


def leb128(data, at):
    value, shift = 0, 0
    while True:
        require(at < len(data), "a number is cut")
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            require(shift == 7 or byte != 0, "a number takes more bytes than it needs")
            return value, at


def matrix(data, rows, dim):
    """The rows of RawTokens or DenseVectors."""
    found, columns, dtype = struct.unpack_from("<QIB", data)
    zeros(data[13:64], "a reserved byte of a matrix")
    require((found, columns) == (rows, dim), "the head of a matrix")
    at, scales = 64, [1.0] * rows
    if dtype == 3:
        scales, at = array(data, at, "f", rows)
        at = padded(data, at)
    require(dtype in (1, 2, 3), "the type of a matrix")
    values, at = array(data, at, " feb"[dtype], rows * dim)
    require(at == len(data), "a matrix has another length")
    return [[scales[row] * value for value in values[row * dim : (row + 1) * dim]] for row in range(rows)]


class Graph:
    """The links of GraphLinks, all of them checked."""

    def __init__(self, data):
        self.nodes, m, m0, self.entry, self.max_level, upper = struct.unpack_from("<6I", data)
        zeros(data[24:64], "a reserved byte of GraphLinks")
        require(m <= 4096 and m0 <= 4096 and self.max_level <= 63, "the head of GraphLinks")
        require((self.entry == 0xFFFFFFFF) == (self.nodes == 0), "the entry of GraphLinks")
        lists, at = array(data, 64, "I", self.nodes * (1 + m0))
        at = padded(data, at)
        offsets, at = array(data, at, "I", self.nodes + 1)
        ascending(offsets, upper, "levels")
        at = padded(data, at)
        above, at = array(data, at, "I", upper * (1 + m))
        require(at == len(data), "GraphLinks has another length")
        self.level = [b - a for a, b in zip(offsets, offsets[1:])]
        require(max(self.level, default=0) <= self.max_level, "a node is above the highest level")
        require(not self.nodes or self.level[self.entry] == self.max_level, "the entry's level")
        self.links = []
        for node in range(self.nodes):
            levels = [self.list(lists, node, m0, 0)]
            for level in range(1, self.level[node] + 1):
                levels.append(self.list(above, offsets[node] + level - 1, m, level))
            self.links.append(levels)

    def list(self, lists, index, most, level):
        count, *links = lists[index * (1 + most) : (index + 1) * (1 + most)]
        require(count <= most and not any(links[count:]), "a list of links")
        for link in links[:count]:
            require(link < self.nodes and self.level[link] >= level, "a link leads nowhere")
        return links[:count]


def external_ids(data, documents):
    found, width = struct.unpack_from("<IB", data)
    (length,) = struct.unpack_from("<Q", data, 8)
    zeros(data[5:8] + data[16:64], "a reserved byte of ExternalIds")
    require(found == documents and width == (4 if length < 1 << 32 else 8), "the head of ExternalIds")
    offsets, at = array(data, 64, "I" if width == 4 else "Q", documents + 1)
    ascending(offsets, length, "ids")
    at = padded(data, at)
    order, at = array(data, at, "I", documents)
    at = padded(data, at)
    require(len(data) == at + length, "ExternalIds has another length")
    ids = [data[at + a : at + b] for a, b in zip(offsets, offsets[1:])]
    require(all(1 <= len(name) <= 512 for name in ids), "an id is empty or too long")
    require(sorted(order) == list(range(documents)), "a document is not in the order of ids")
    require(all(ids[a] < ids[b] for a, b in zip(order, order[1:])), "ids are out of order")
    return [name.decode("utf-8") for name in ids]


def content_hashes(data, documents):
    hashes, end = array(data, 0, "Q", documents)
    require(end == len(data), "ContentHashes has another length")
    return hashes


def stored_blocks(data, documents):
    """(first document, decompressed length, compressed bytes) of each block of StoredFields."""
    require(len(data) >= 64, "StoredFields is cut")
    found, blocks, payload = struct.unpack_from("<IIQ", data, len(data) - 64)
    zeros(data[-48:], "a reserved byte of StoredFields")
    at = pad(payload)
    require(found == documents and (blocks == 0) == (documents == 0), "the foot of StoredFields")
    require(len(data) == at + 16 * blocks + 64, "StoredFields has another length")
    zeros(data[payload:at], "padding")
    entries = [struct.unpack_from("<IIQ", data, at + 16 * index) for index in range(blocks)]
    ends = [offset for _, _, offset in entries[1:]] + [payload]
    result = []
    for (first, raw, offset), end in zip(entries, ends):
        require(offset < end, "a block is empty")
        result.append((first, raw, data[offset:end]))
    firsts = [first for first, _, _ in result] + [documents]
    require(firsts[0] == 0 and all(a < b for a, b in zip(firsts, firsts[1:])), "blocks are out of order")
    return result


def stored_documents(raw, count):
    """(title, text, metadata) of the documents of a decompressed block."""
    found, at = [], 0
    for _ in range(count):
        lengths = struct.unpack_from("<3I", raw, at)
        at += 12
        parts = []
        for length in lengths:
            parts.append(raw[at : at + length].decode("utf-8"))
            at += length
        found.append(tuple(parts))
    require(at == len(raw), "a block has another length")
    return found


__all__ = [name for name in dir() if not name.startswith("_")] + ["FormatError"]

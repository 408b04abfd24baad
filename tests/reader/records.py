"""Files and records of a Lateen index, read as index_format/FORMAT.md says. Anything else is a `FormatError`."""

import struct
from xxh3 import xxh3_64

MAGIC = bytes.fromhex("8b4c49580d0a1a0a")
VERSION = 1
SEGMENT, MANIFEST, TOMBSTONES = 1, 2, 3
BLOCK = 65536
SECTIONS = {
    1: "Meta", 2: "TokenOffsets", 3: "Codec", 4: "CentroidIds", 5: "Codes", 6: "Scales", 7: "InvertedLists",
    8: "RawTokens", 9: "DenseVectors", 10: "GraphLinks", 11: "ExternalIds", 12: "ContentHashes",
    13: "StoredFields", 14: "Terms",
}


class FormatError(Exception):
    """The bytes are not what FORMAT.md allows."""


def require(condition, message):
    if not condition:
        raise FormatError(message)


def pad(length):
    """`length`, up to the next multiple of 64."""
    return (length + 63) // 64 * 64


def zeros(data, what):
    require(not any(data), f"{what} is not zero")


def sealed(record, what):
    """A record of 64 bytes that ends with the checksum of the others; returns that."""
    require(len(record) == 64, f"{what} is cut")
    (checksum,) = struct.unpack_from("<Q", record, 56)
    require(xxh3_64(record[:56]) == checksum, f"{what}: its checksum differs")
    return checksum


def file_head(data, kind):
    """Checks the file head; returns its checksum and, but for segments, the body."""
    require(data[:8] == MAGIC, "this is no file of a Lateen index")
    checksum = sealed(data[:64], "the file head")
    version, found = struct.unpack_from("<HH", data, 8)
    require(version <= VERSION, f"version {version} is newer than {VERSION}")
    require(version >= 1, f"version {version} is too old")
    require(found == kind, f"the file is of kind {found}, not {kind}")
    zeros(data[12:16] + data[32:56], "a reserved byte of the file head")
    length, body_checksum = struct.unpack_from("<QQ", data, 16)
    if kind == SEGMENT:
        require(length == body_checksum == 0, "a segment's head has a body")
        return checksum, b""
    body = data[64:]
    require(len(body) == length, f"the body has {len(body)} bytes instead of {length}")
    require(xxh3_64(body) == body_checksum, "the checksum of the body differs")
    return checksum, body


class Fields:
    """The fields of a metadata record, in order."""

    def __init__(self, data):
        require(len(data) <= 16 << 20, "a record is too long")
        self.data, self.at = data, 0

    def take(self, count):
        require(count <= len(self.data) - self.at, "a record is cut")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, code):
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def u8(self):
        return self.number("B")

    def u32(self):
        return self.number("I")

    def u64(self):
        return self.number("Q")

    def bool(self):
        value = self.u8()
        require(value <= 1, f"a bool is {value}")
        return value == 1

    def str(self):
        try:
            return self.take(self.u64()).decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormatError("a string is not UTF-8") from error

    def list(self, item):
        return [item(self) for _ in range(self.u32())]

    def option(self, item):
        return item(self) if self.bool() else None

    def end(self):
        require(self.at == len(self.data), "bytes follow the last field of a record")


def settings(fields):
    found = {
        "token_dim": fields.u32(),
        "token_storage": fields.u8(),
        "dense_dim": fields.u32(),
        "dense_storage": fields.u8(),
        "store_documents": fields.bool(),
        "seed": fields.u64(),
        "words": fields.u8(),
    }
    require(found["words"] <= (3 if found["store_documents"] else 0), "words settings")
    for part, most in (("token", 6), ("dense", 3)):
        dim, storage = found[f"{part}_dim"], found[f"{part}_storage"]
        require(dim <= 8192 and storage <= most and (dim == 0) == (storage == 0), f"{part} settings")
    return found


def manifest(data):
    """The record of a manifest file."""
    fields = Fields(file_head(data, MANIFEST)[1])
    found = {
        "generation": fields.u64(),
        "next_number": fields.u64(),
        "settings": settings(fields),
        "model": {
            "name": fields.str(),
            "location": fields.str(),
            "fingerprint": fields.take(16).hex(),
            "description": fields.str(),
        },
        "segments": fields.list(segment_record),
        "tuning": fields.option(tuning),
    }
    fields.end()
    numbers = [s["number"] for s in found["segments"]]
    numbers += [s["tombstones"]["number"] for s in found["segments"] if s["tombstones"]]
    require(len(set(numbers)) == len(numbers), "a number is used twice")
    require(all(number < found["next_number"] for number in numbers), "a number is not below next_number")
    return found


def tuning(fields):
    found = {
        "documents": fields.u64(),
        "tokens": fields.u64(),
        "queries": fields.u32(),
        "source": fields.u8(),
        "seed": fields.u64(),
        "targets": fields.list(target),
    }
    order = [(target["k"], target["recall"]) for target in found["targets"]]
    require(found["source"] <= 1 and len(order) <= 256, "tuning")
    require(all(a < b for a, b in zip(order, order[1:])), "the targets of tuning are not in order")
    return found


def target(fields):
    found = {
        "k": fields.u32(),
        "recall": fields.u32(),
        "measured": fields.u32(),
        "lower": fields.u32(),
        "knobs": fields.list(lambda f: (f.str(), f.u64())),
    }
    names = [name for name, _ in found["knobs"]]
    require(found["k"] >= 1 and found["lower"] <= found["measured"] <= 1_000_000, "a target of tuning")
    require(all(a < b for a, b in zip(names, names[1:])) and len(names) <= 32, "the knobs of a target")
    return found


def segment_record(fields):
    record = {
        "number": fields.u64(),
        "documents": fields.u32(),
        "tokens": fields.u64(),
        "bytes": fields.u64(),
        "identity": fields.u64(),
        "tombstones": fields.option(
            lambda f: {"number": f.u64(), "deleted": f.u32(), "checksum": f.u64()}
        ),
    }
    deleted = record["tombstones"]["deleted"] if record["tombstones"] else 0
    require(deleted <= record["documents"], "more documents are deleted than there are")
    return record


def meta(data):
    """The record of a section `Meta`."""
    fields = Fields(data)
    found = {
        "documents": fields.u32(),
        "tokens": fields.u64(),
        "dim": fields.u32(),
        "bits": fields.u8(),
        "dense_dim": fields.u32(),
        "writer": fields.str(),
        "settings": settings(fields),
        "build": fields.list(lambda f: (f.str(), f.str())),
    }
    fields.end()
    return found


def tombstones(data, record, segment):
    """The numbers of the deleted documents of a segment."""
    identity, body = file_head(data, TOMBSTONES)
    require(identity == record["checksum"], "the tombstones are not those the manifest names")
    number, documents, count = struct.unpack_from("<QII", body)
    require(number == segment["number"] and documents == segment["documents"], "tombstones of another segment")
    deleted = roaring(body[16:])
    require(len(deleted) == count == record["deleted"], "the number of deleted documents differs")
    require(all(document < documents for document in deleted), "a deleted document is none of the segment")
    return set(deleted)


def roaring(data):
    """The values of a bitmap in the portable format, ascending; nothing follows it."""
    (cookie,) = struct.unpack_from("<I", data)
    if cookie & 0xFFFF == 12347:
        count, at = (cookie >> 16) + 1, 4
        runs = data[at : at + (count + 7) // 8]
        at += len(runs)
    else:
        require(cookie == 12346, "the bitmap begins with no known cookie")
        count, at, runs = struct.unpack_from("<I", data, 4)[0], 8, b""
    heads = [struct.unpack_from("<HH", data, at + 4 * index) for index in range(count)]
    at += 4 * count
    if not runs or count >= 4:
        at += 4 * count
    values = []
    for index, (key, cardinality) in enumerate(heads):
        base = key << 16
        if runs and runs[index // 8] >> index % 8 & 1:
            (pairs,) = struct.unpack_from("<H", data, at)
            for pair in range(pairs):
                start, more = struct.unpack_from("<HH", data, at + 2 + 4 * pair)
                values.extend(range(base + start, base + start + more + 1))
            at += 2 + 4 * pairs
        elif cardinality + 1 <= 4096:
            values.extend(base + low for low in struct.unpack_from(f"<{cardinality + 1}H", data, at))
            at += 2 * (cardinality + 1)
        else:
            bits = int.from_bytes(data[at : at + 8192], "little")
            values.extend(base + low for low in range(65536) if bits >> low & 1)
            at += 8192
    require(at == len(data), "bytes follow the bitmap")
    return values


def segment_sections(data, record):
    """The sections of a segment file by name, all of their checksums verified."""
    head_checksum, _ = file_head(data, SEGMENT)
    require(len(data) == record["bytes"] and len(data) % 64 == 0, "the length of the file differs")
    trailer = data[-64:]
    require(sealed(trailer, "the trailer") == record["identity"], "this is another segment")
    offset, length, checksum, file_length, of_head = struct.unpack_from("<5Q", trailer)
    zeros(trailer[40:56], "a reserved byte of the trailer")
    require(file_length == len(data) and of_head == head_checksum, "the trailer is of another file")
    require(length % 48 == 0 and length // 48 <= 256, "the directory's length")
    directory = data[offset : offset + length]
    require(xxh3_64(directory) == checksum, "the directory's checksum differs")

    entries = [struct.unpack("<IIQQQQQ", directory[at : at + 48]) for at in range(0, length, 48)]
    require(len({entry[0] for entry in entries}) == len(entries), "two sections have one kind")
    place = 64
    sections = {}
    for kind, flags, start, size, _, _, reserved in entries:
        require(flags <= 1 and reserved == 0, "a flag or a reserved byte of the directory")
        require(start == place, f"section {kind} is not where it has to be")
        place = pad(start + size)
        zeros(data[start + size : place], "padding")
        require(kind in SECTIONS or not flags & 1, f"the required section {kind} is unknown")
        sections[SECTIONS.get(kind, kind)] = data[start : start + size]
    for kind, _, start, size, sums, sums_checksum, _ in entries:
        require(sums == place, f"the block sums of section {kind} are not where they have to be")
        place += 8 * ((size + BLOCK - 1) // BLOCK)
        require(xxh3_64(data[sums:place]) == sums_checksum, f"the block sums of section {kind} changed")
        for index, (expected,) in enumerate(struct.iter_unpack("<Q", data[sums:place])):
            at = start + index * BLOCK
            found = xxh3_64(data[at : min(at + BLOCK, start + size)])
            require(found == expected, f"block {index} of section {SECTIONS.get(kind, kind)} changed")
    require(offset == pad(place), "the directory is not where it has to be")
    zeros(data[place:offset], "padding")
    require(len(data) - 64 == pad(offset + length), "the trailer is not where it has to be")
    zeros(data[offset + length : -64], "padding")
    return sections

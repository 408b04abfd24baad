"""XXH3 with 64 bits and seed 0, by the description in the xxHash repository (doc/xxhash_spec.md)."""

import struct

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)

MASK = (1 << 64) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
MX1, MX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25

SECRET_WORDS = [int.from_bytes(SECRET[at : at + 8], "little") for at in range(len(SECRET) - 7)]


def _r32(data, at):
    return int.from_bytes(data[at : at + 4], "little")


def _r64(data, at):
    return int.from_bytes(data[at : at + 8], "little")


def _fold(a, b):
    product = a * b
    return (product & MASK) ^ (product >> 64)


def _rotl(value, by):
    return ((value << by) | (value >> (64 - by))) & MASK


def _swap64(value):
    return int.from_bytes(value.to_bytes(8, "little"), "big")


def _avalanche(h):
    h ^= h >> 37
    h = h * MX1 & MASK
    return h ^ (h >> 32)


def _avalanche_64(h):
    h ^= h >> 33
    h = h * P64_2 & MASK
    h ^= h >> 29
    h = h * P64_3 & MASK
    return h ^ (h >> 32)


def _mix16(data, at, secret_at):
    return _fold(_r64(data, at) ^ SECRET_WORDS[secret_at], _r64(data, at + 8) ^ SECRET_WORDS[secret_at + 8])


def _short(data, n):
    if n == 0:
        return _avalanche_64(SECRET_WORDS[56] ^ SECRET_WORDS[64])
    if n <= 3:
        combined = data[0] << 16 | data[n >> 1] << 24 | data[n - 1] | n << 8
        return _avalanche_64(combined ^ _r32(SECRET, 0) ^ _r32(SECRET, 4))
    if n <= 8:
        h = (_r32(data, n - 4) + (_r32(data, 0) << 32)) ^ SECRET_WORDS[8] ^ SECRET_WORDS[16]
        h ^= _rotl(h, 49) ^ _rotl(h, 24)
        h = h * MX2 & MASK
        h ^= (h >> 35) + n
        h = h * MX2 & MASK
        return h ^ (h >> 28)
    low = _r64(data, 0) ^ SECRET_WORDS[24] ^ SECRET_WORDS[32]
    high = _r64(data, n - 8) ^ SECRET_WORDS[40] ^ SECRET_WORDS[48]
    return _avalanche((n + _swap64(low) + high + _fold(low, high)) & MASK)


def _middle(data, n):
    total = n * P64_1
    if n <= 128:
        for pair in reversed(range((n - 1) // 32 + 1)):
            total += _mix16(data, 16 * pair, 32 * pair)
            total += _mix16(data, n - 16 * (pair + 1), 32 * pair + 16)
        return _avalanche(total & MASK)
    for part in range(8):
        total += _mix16(data, 16 * part, 16 * part)
    total = _avalanche(total & MASK)
    for part in range(8, n // 16):
        total += _mix16(data, 16 * part, 16 * (part - 8) + 3)
    total += _mix16(data, n - 16, 136 - 17)
    return _avalanche(total & MASK)


def _accumulate(lanes, words, secret_at):
    for lane in range(8):
        value = words[lane]
        key = value ^ SECRET_WORDS[secret_at + 8 * lane]
        lanes[lane ^ 1] += value
        lanes[lane] += (key & 0xFFFFFFFF) * (key >> 32)


def _long(data, n):
    lanes = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
    for stripe in range((n - 1) // 64):
        _accumulate(lanes, struct.unpack_from("<8Q", data, 64 * stripe), 8 * (stripe % 16))
        if stripe % 16 == 15:
            for lane in range(8):
                value = lanes[lane] & MASK
                value ^= value >> 47
                value ^= SECRET_WORDS[128 + 8 * lane]
                lanes[lane] = value * P32_1 & MASK
    _accumulate(lanes, struct.unpack_from("<8Q", data, n - 64), 192 - 64 - 7)
    lanes = [lane & MASK for lane in lanes]
    total = n * P64_1
    for pair in range(4):
        at = 11 + 16 * pair
        total += _fold(lanes[2 * pair] ^ SECRET_WORDS[at], lanes[2 * pair + 1] ^ SECRET_WORDS[at + 8])
    return _avalanche(total & MASK)


def xxh3_64(data):
    """The checksum of FORMAT.md."""
    n = len(data)
    if n <= 16:
        return _short(data, n)
    return _middle(data, n) if n <= 240 else _long(data, n)

"""The rotation of index_format/FORMAT.md, from its dimension and seed alone."""

import math

MASK = (1 << 64) - 1


def split_mix_64(seed):
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        yield z ^ z >> 31


class Rotation:
    """Two rounds of sign flips and Hadamard blocks."""

    def __init__(self, dim, seed):
        self.dim, self.block = dim, 1 << (dim.bit_length() - 1)
        numbers, self.signs = split_mix_64(seed), []
        for _ in range(2):
            words = [next(numbers) for _ in range((dim + 63) // 64)]
            self.signs.append([-1.0 if words[i // 64] >> i % 64 & 1 else 1.0 for i in range(dim)])

    def back(self, row):
        """From the rotated space to the model's."""
        tail, turn = self.dim - self.block, self.block // 2
        for signs in reversed(self.signs):
            if tail:
                row = row[self.dim - turn :] + row[: self.dim - turn]
                row = row[:tail] + hadamard(row[tail:])
            row = hadamard(row[: self.block]) + row[self.block :]
            row = [x * sign for x, sign in zip(row, signs)]
        return row


def hadamard(row):
    """`H row / √p`, where entry `(i, j)` of `H` is −1 to the number of bits that `i` and `j` share."""
    row, half = list(row), 1
    while half < len(row):
        for i in range(len(row)):
            if not i & half:
                row[i], row[i + half] = row[i] + row[i + half], row[i] - row[i + half]
        half *= 2
    norm = math.sqrt(len(row))
    return [x / norm for x in row]

import struct
import zlib
from collections.abc import Sequence
from itertools import product

import pytest

from local.pictures.png import SIGNATURE, indexed

type Rows = Sequence[Sequence[tuple[int, ...]]]

TONES: Rows = [[(7 * x % 256, 11 * y % 256, (x + y) % 4 * 80) for x in range(9)] for y in range(10)]
"""Ninety points of ninety colours."""


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def predicted(kind: int, left: int, above: int, corner: int) -> int:
    """What a filter of PNG expects a byte to be."""
    slope = left + above - corner
    nearest = {abs(slope - each): each for each in (corner, above, left)}
    return (0, left, above, (left + above) // 2, nearest[min(nearest)])[kind]


def written(rows: Rows, filters: Sequence[int], *, alpha: bool = False, header: bytes = b"") -> bytes:
    """A PNG whose rows are filtered in these ways in turn."""
    size = 4 if alpha else 3
    before, data = bytes(len(rows[0]) * size), b""
    for number, row in enumerate(rows):
        line = b"".join(bytes(colour) + b"\xff" * alpha for colour in row)
        kind = filters[number % len(filters)]
        data += bytes([kind])
        for at, value in enumerate(line):
            left, corner = (line[at - size], before[at - size]) if at >= size else (0, 0)
            data += bytes([(value - predicted(kind, left, before[at], corner)) & 255])
        before = line
    usual = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 6 if alpha else 2, 0, 0, 0)
    body = zlib.compress(data)
    # Browsers write the data in parts.
    parts = [chunk(b"IDAT", part) for part in (body[:20], body[20:])]
    return SIGNATURE + chunk(b"IHDR", header or usual) + b"".join(parts) + chunk(b"IEND", b"")


def shown(png: bytes) -> Rows:
    """The points of a PNG with a palette and without filters."""
    found, at = dict[bytes, bytes](), len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        name, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert png[at + 8 + length : at + 12 + length] == struct.pack(">I", zlib.crc32(name + body))
        found[name] = body
        at += 12 + length
    width, height, depth, kind, *_ = struct.unpack(">IIBBBBB", found[b"IHDR"])
    assert (depth, kind) == (8, 3)
    palette = [tuple(found[b"PLTE"][at : at + 3]) for at in range(0, len(found[b"PLTE"]), 3)]
    data = zlib.decompress(found[b"IDAT"])
    lines = [data[at : at + width + 1] for at in range(0, height * (width + 1), width + 1)]
    assert {line[0] for line in lines} == {0}
    return [[palette[place] for place in line[1:]] for line in lines]


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("filters", [[0], [1], [2], [3], [4], [4, 1, 3, 0, 2]], ids=str)
def test_a_picture_of_few_colours_stays_as_it_was(filters: Sequence[int], *, alpha: bool) -> None:
    assert shown(indexed(written(TONES, filters, alpha=alpha))) == TONES


def test_of_many_colours_the_rare_ones_become_the_nearest() -> None:
    common = [[(2 * x, 0, 0) for x in range(128)], [(2 * x, 255, 0) for x in range(128)]] * 2
    rare = [(2 * x + 1, 3, 0) for x in range(128)]
    *kept, changed = shown(indexed(written([*common, rare], [0])))
    assert kept == common
    assert all(
        abs(is_now[0] - was[0]) == 1 and is_now[1] == 0 for is_now, was in zip(changed, rare, strict=True)
    )


@pytest.mark.parametrize(
    ("depth", "kind", "interlaced"), [each for each in product((8, 16), (2, 3), (0, 1)) if each != (8, 2, 0)]
)
def test_another_kind_is_refused_by_what_it_is(depth: int, kind: int, interlaced: int) -> None:
    header = struct.pack(">IIBBBBB", 9, 10, depth, kind, 0, 0, interlaced)
    with pytest.raises(ValueError, match=f"got {depth} bits, type {kind}, interlace {interlaced}"):
        indexed(written(TONES, [0], header=header))


def test_what_is_no_png_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a PNG"):
        indexed(b"GIF89a")
    with pytest.raises(ValueError, match="expected a filter from 0 to 4, got 5"):
        indexed(
            written([[(0, 0, 0)]], [0]).replace(chunk(b"IDAT", b""), b"")[:33]
            + chunk(b"IDAT", zlib.compress(b"\x05abc"))
        )

"""Smaller pictures: PNG with a palette, for pages of few colours.

A page is paper, ink and some tones, and a screenshot of it spends four bytes on each of its points. The 256 colours
that it has most of take one; what anti-aliasing mixes beside them becomes the nearest of them. Of PNG this reads what
browsers write: eight bits a channel, red, green and blue with or without alpha, in one piece.
https://www.w3.org/TR/png-3/
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_CHANNELS = {2: 3, 6: 4}
"""Bytes for a point, by colour type."""

_PALETTE_TYPE = 3
_MOST = 256

type Colour = tuple[int, ...]


def indexed(png: bytes) -> bytes:
    """The picture with a palette of at most 256 colours; alpha is dropped. ValueError for what cannot be read."""
    width, height, rows = _read(png)
    counted = Counter[Colour]()
    for row in rows:
        counted.update(row)
    palette = [colour for colour, _ in counted.most_common(_MOST)]
    places = {colour: place for place, colour in enumerate(palette)}
    for colour in counted:
        if colour not in places:
            places[colour] = min(range(len(palette)), key=lambda at: _distance(colour, palette[at]))
    # Each row begins with how it is filtered: not at all, which suits a palette.
    data = b"".join(b"\0" + bytes(map(places.__getitem__, row)) for row in rows)
    return SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _PALETTE_TYPE, 0, 0, 0)),
            _chunk(b"PLTE", bytes(channel for colour in palette for channel in colour[:3])),
            _chunk(b"IDAT", zlib.compress(data, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _read(png: bytes) -> tuple[int, int, list[list[Colour]]]:
    """Width, height and the points, row by row."""
    if not png.startswith(SIGNATURE):
        raise ValueError("expected a PNG")
    chunks = list(_chunks(png))
    width, height, depth, kind, *_, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if depth != 8 or kind not in _CHANNELS or interlaced:
        raise ValueError(
            f"expected 8 bits, colour type 2 or 6, in one piece; got {depth} bits, type {kind}, interlace {interlaced}"
        )
    data = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    size = _CHANNELS[kind]
    before, rows = bytearray(width * size), list[list[Colour]]()
    for start in range(0, height * (width * size + 1), width * size + 1):
        line = bytearray(data[start + 1 : start + 1 + width * size])
        _unfilter(data[start], line, before, size)
        rows.append(list(zip(*[iter(line)] * size, strict=True)))
        before = line
    return width, height, rows


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        yield name, png[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _unfilter(kind: int, line: bytearray, before: bytearray, size: int) -> None:
    """Give a row its own values again, which are written as what they differ by from those left of and above them."""
    match kind:
        case 0:
            return
        case 1:
            for at in range(size, len(line)):
                line[at] = (line[at] + line[at - size]) & 255
        case 2:
            for at, above in enumerate(before):
                line[at] = (line[at] + above) & 255
        case 3:
            for at, above in enumerate(before):
                left = line[at - size] if at >= size else 0
                line[at] = (line[at] + (left + above) // 2) & 255
        case 4:
            for at, above in enumerate(before):
                left, corner = (line[at - size], before[at - size]) if at >= size else (0, 0)
                line[at] = (line[at] + _paeth(left, above, corner)) & 255
        case _:
            raise ValueError(f"expected a filter from 0 to 4, got {kind}")


def _paeth(left: int, above: int, corner: int) -> int:
    """Of the three neighbours, the one that is nearest to what their slope leads one to expect."""
    expected = left + above - corner
    return min((left, above, corner), key=lambda each: abs(expected - each))


def _distance(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one[:3], other[:3], strict=True))

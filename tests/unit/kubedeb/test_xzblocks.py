"""What is unpacked side by side is what lzma unpacks, whatever the stream is made of; what is damaged is refused."""

from __future__ import annotations

import io
import lzma
import random
import zlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kubedeb import xzblocks
from kubedeb.xzblocks import Readable, unpacked

CHECKS = [lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256]
CONTENT = random.Random(1).randbytes(3000) * 20  # noqa: S311 - bytes that compress


def blocks(parts: list[bytes], check: int = lzma.CHECK_CRC64, *, say: bool = True) -> bytes:
    """Return a stream of one block for each part, its sizes in the block's header as a threaded xz writes them."""
    head = lzma.compress(b"", check=check)[: xzblocks.HEAD]
    out, records = bytearray(head), []
    for part in parts:
        raw = lzma.compress(part, check=check)
        index = (int.from_bytes(raw[-8:-4], "little") + 1) * 4
        block = raw[xzblocks.HEAD : -index - xzblocks.HEAD]
        before = (block[0] + 1) * 4
        body, tail = block[before:], xzblocks.CHECKS[check]
        packed = xzblocks._number(raw, len(raw) - index - xzblocks.HEAD + 2)[0] - before - tail
        header = block[:before]
        if say:
            sizes = xzblocks._packed_number(packed) + xzblocks._packed_number(len(part))
            inner = bytes([0, header[1] | 0xC0]) + sizes + header[2:5]  # flags of one filter: its id, length and dictionary
            inner += bytes(-len(inner) % 4)
            inner = bytes([len(inner) // 4]) + inner[1:]
            header = inner + zlib.crc32(inner).to_bytes(4, "little")
        out += header + body
        records.append((len(header) + packed + tail, len(part)))
    index_data = xzblocks._index(records)
    return bytes(out) + index_data + xzblocks._footer(head, index_data)


def serially(source: Readable) -> Iterator[bytes]:
    data = source.read()
    yield lzma.decompress(data) if data else b""


def refused(_: Readable) -> Iterator[bytes]:
    raise AssertionError("this is to be unpacked side by side")
    yield b""


def read(data: bytes, way: Callable[[Readable], Iterator[bytes]] = serially) -> bytes:
    return b"".join(unpacked(io.BytesIO(data), way))


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take blocks side by side whatever their size and the machine's cores, and let them wait on disk."""
    monkeypatch.setattr(xzblocks, "LEAST", 0)
    monkeypatch.setattr(xzblocks, "IN_MEMORY", 20_000)
    monkeypatch.setattr(xzblocks, "WORKERS", 2)


PARTS = st.lists(st.integers(1, len(CONTENT)).map(lambda size: CONTENT[:size]), min_size=1, max_size=6)


@given(PARTS, st.sampled_from(CHECKS))
@settings(deadline=None, max_examples=25)
@example([CONTENT, b"x", CONTENT], lzma.CHECK_CRC64)
def test_blocks_that_say_their_sizes(parts: list[bytes], check: int) -> None:
    data = blocks(parts, check)
    assert lzma.decompress(data) == b"".join(parts)  # the maker of samples is right
    ends: list[bytes] = []

    def behind(source: Readable) -> Iterator[bytes]:
        ends.append(source.read())
        yield b""

    assert read(data, behind) == b"".join(parts)
    assert ends == [b""]


@given(PARTS, st.booleans())
@settings(deadline=None, max_examples=15)
def test_all_others_are_left_to_the_serial_reader(parts: list[bytes], together: bool) -> None:
    whole = b"".join(parts)
    assert read(lzma.compress(whole)) == whole
    assert read(blocks(parts, say=False)) == whole
    assert read(b"".join(map(lzma.compress, parts)) if together else b"") == (whole if together else b"")


def test_streams_one_after_the_other_are_one() -> None:
    assert read(blocks([CONTENT]) + lzma.compress(b"more")) == CONTENT + b"more"


def test_a_reader_that_stops_early_leaves_nothing_behind() -> None:
    stream = unpacked(io.BytesIO(blocks([CONTENT] * 6)), refused)
    assert next(stream) == CONTENT
    stream.close()  # type: ignore[attr-defined]


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_a_mutated_stream_is_refused_or_what_lzma_reads(data: st.DataObject) -> None:
    raw = bytearray(blocks([CONTENT[:5000], CONTENT[:100], CONTENT[:9000]]))
    where = data.draw(st.integers(0, len(raw) - 1))
    raw[where : where + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    try:
        found = read(bytes(raw))
    except (ValueError, EOFError, lzma.LZMAError):
        return
    assert found == lzma.decompress(bytes(raw))


def test_a_truncated_stream_is_refused() -> None:
    data = blocks([CONTENT[:5000], CONTENT[:100]])
    for length in range(1, len(data)):
        with pytest.raises((ValueError, EOFError, lzma.LZMAError)):
            read(data[:length])

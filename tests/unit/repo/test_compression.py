import lzma
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from repo.compression import FORMS, join_xz, number, read_number

PIECES = st.lists(st.binary(min_size=1, max_size=400), max_size=6)


def unpacked(suffix: str, data: bytes) -> bytes:
    if suffix == ".gz":
        out = b""
        while data:
            one = zlib.decompressobj(wbits=31)
            out += one.decompress(data)
            assert one.eof
            data = one.unused_data
        return out
    if suffix == ".xz":
        # apt reads one stream and stops: nothing may be left over.
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        out = stream.decompress(data)
        assert (stream.eof, stream.unused_data) == (True, b"")
        return out
    return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()


@given(PIECES)
@pytest.mark.parametrize("suffix", FORMS)
def test_joined_pieces_are_what_was_packed(suffix: str, pieces: list[bytes]) -> None:
    form = FORMS[suffix]
    assert unpacked(suffix, form.join([form.pack(piece) for piece in pieces])) == b"".join(pieces)


@given(st.integers(0, 2**62))
def test_numbers_read_back(value: int) -> None:
    written = number(value)
    assert read_number(b"x" + written + b"y", 1) == (value, 1 + len(written))


@pytest.mark.parametrize("stream", [b"x" * 100, lzma.compress(b"x", check=lzma.CHECK_CRC32), FORMS[".gz"].pack(b"x" * 100)])
def test_what_is_no_stream_of_ours_is_not_joined(stream: bytes) -> None:
    with pytest.raises(ValueError, match=r"not an \.xz stream of ours"):
        join_xz([stream])

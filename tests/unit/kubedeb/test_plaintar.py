import io
import tarfile
from collections.abc import Iterator, Mapping
from typing import IO, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kubedeb.plaintar import CHUNK, entries, plain, total

Told = list[tuple[Mapping[str, object], bytes | None] | str]
Form = Literal[0, 1, 2]

NAMES = st.one_of(
    st.from_regex(r"(\./)?[a-z0-9_.@ -]{1,30}(/[a-z]{1,90}){0,3}/?", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=120),
)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.AREGTYPE, tarfile.CHRTYPE])
FORMATS: st.SearchStrategy[Form] = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
NUMBERS = st.one_of(st.integers(0, 0o7777777), st.integers(0, 2**33))


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    out = b""
    for _ in range(draw(st.integers(0, 4))):
        item = tarfile.TarInfo(draw(NAMES))
        item.type, item.linkname, item.mode = draw(KINDS), draw(st.one_of(st.just(""), NAMES)), draw(st.integers(0, 0o7777))
        item.uid, item.mtime, item.uname = draw(NUMBERS), draw(NUMBERS), draw(st.sampled_from(["", "root", "é"]))
        content, form = draw(st.binary(max_size=1500)), draw(FORMATS)
        content = content if item.isreg() else b""
        item.size = len(content)
        try:
            header = item.tobuf(form)
        except ValueError:  # what USTAR cannot hold
            header = item.tobuf(tarfile.GNU_FORMAT)
        out += header + content + bytes(-len(content) % 512)
    return out + bytes(draw(st.sampled_from([0, 512, 1024, 10240])))


def told(found: Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]) -> Told:
    """Return what was read: each entry with its content, and the error at the end where there is one."""
    seen: Told = []
    try:
        for item, content in found:
            about: Mapping[str, object] = {**item.get_info(), "sparse": item.issparse(), "own": item.isreg()}
            seen.append((about, None if content is None else content.read()))
    except (tarfile.TarError, ValueError, OSError, RecursionError) as error:
        seen.append(f"{type(error).__name__}: {error}")
    return seen


def theirs(data: bytes) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r|") as archive:
        while (item := archive.next()) is not None:
            yield item, archive.extractfile(item) if item.isreg() else None


class Sips:
    """A stream of which each read gives a little: nothing is in memory whole."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        return self._stream.read(min(size, 700))


@given(archives())
@settings(max_examples=100, deadline=None)
@example(b"")
@example(bytes(512))
@example(b"no archive")
def test_reads_what_tarfile_reads(data: bytes) -> None:
    assert told(entries(io.BytesIO(data))) == told(entries(Sips(data))) == told(theirs(data))


@given(st.data(), archives().filter(bool))
@settings(max_examples=200, deadline=None)
def test_reads_of_a_damaged_archive_what_tarfile_reads(data: st.DataObject, archive: bytes) -> None:
    raw = bytearray(archive)
    for _ in range(data.draw(st.integers(1, 3))):
        # Most of it in a header, whose checksum is often made right again: damage behind the checksum must be seen too.
        start = data.draw(st.integers(0, (len(raw) - 1) // 512)) * 512
        where = start + data.draw(st.integers(0, 511))
        raw[where : where + 1] = data.draw(
            st.one_of(st.binary(min_size=1, max_size=1), st.sampled_from([b" ", b"\0", b"7", b"-"]))
        )
        if data.draw(st.booleans()) and len(raw) >= start + 512:
            total = sum(raw[start : start + 512]) - sum(raw[start + 148 : start + 156]) + 256
            raw[start + 148 : start + 156] = b"%06o\0 " % total
    cut = data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))
    damaged = bytes(raw[:cut])
    assert told(entries(io.BytesIO(damaged))) == told(entries(Sips(damaged))) == told(theirs(damaged))


def header(name: str = "./control", kind: bytes = tarfile.REGTYPE, size: int = 0, form: Form = tarfile.GNU_FORMAT) -> bytes:
    item = tarfile.TarInfo(name)
    item.type, item.size = kind, size
    return item.tobuf(form)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_what_packages_are_made_of_is_plain(form: Form, kind: bytes) -> None:
    assert plain(header(kind=kind, form=form)) is not None


@pytest.mark.parametrize(
    "odd",
    [
        header("a" * 101), header("a/" * 60, form=tarfile.USTAR_FORMAT), header(size=2**40), header(kind=tarfile.CHRTYPE),
        header(kind=tarfile.DIRTYPE, size=3), header(kind=tarfile.XHDTYPE), header().replace(b"./c", b"./d"), bytes(512),
        header()[:511],
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_tarfile(odd: bytes) -> None:
    assert plain(odd) is None


def test_a_large_file_may_be_passed_over_or_read_in_part() -> None:
    size = 3 * CHUNK + 100
    data = header("./big", size=size) + b"b" * size + bytes(-size % 512) + header("./end") + bytes(1024)
    for part in (0, 1, CHUNK + 1, size, -1):
        names = []
        for item, content in entries(io.BytesIO(data)):
            names.append(item.name)
            assert content is not None
            assert set(content.read(part)) <= {ord("b")}
        assert names == ["./big", "./end"]


@given(st.integers(0, 512), st.binary(max_size=512), st.integers(0, 255))
@example(256, b"", 255)
@example(257, b"", 255)
def test_a_block_is_summed_whole_whatever_its_sum(full: int, rest: bytes, byte: int) -> None:
    block = (bytes([byte]) * full + rest)[:512].ljust(512, b"\0")
    assert total(block) == sum(block)

import gzip
import io
import lzma
import tarfile
import tracemalloc
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from debian.debfile import DebFile
from hypothesis import given, settings
from hypothesis import strategies as st

from debs import COMPRESS, Item, ar, control, deb, tar
from kubedeb.deb import BLOCK, DebError, Entry, contents_of, list_files, read_contents, read_deb, read_stream

NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,20}", fullmatch=True)
VERSIONS = st.from_regex(r"([0-9]{1,3}:)?[0-9][A-Za-z0-9.+~]{0,8}(-[A-Za-z0-9+.~]{1,6})?", fullmatch=True)
FORMS = st.sampled_from(sorted(COMPRESS))


@given(NAMES, VERSIONS, FORMS, st.binary(max_size=300))
@settings(deadline=None)
def test_reads_what_python_debian_reads(name: str, version: str, form: str, content: bytes) -> None:
    data = deb(control(name, version), form=form, data={"./usr/bin/x": content})
    found = read_stream(io.BytesIO(data))
    assert (found.size, found.sha256) == (len(data), sha256(data).hexdigest())
    assert (found.name, found.version, found.architecture) == (name, version, "amd64")
    if form != ".zst":  # python-debian unpacks it with a program, which a unit test may not start
        assert dict(found.control) == dict(DebFile(fileobj=io.BytesIO(data)).debcontrol())


@given(st.data(), FORMS)
@settings(max_examples=400, deadline=None)
def test_a_mutated_package_is_read_or_refused(data: st.DataObject, form: str) -> None:
    raw = bytearray(deb(form=form))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(raw) - 1))
        raw[where : where + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    try:
        found = read_stream(io.BytesIO(bytes(raw)))
    except DebError:
        return
    assert found.size == len(raw)


WHOLE = deb()


@given(st.integers(0, len(WHOLE) - 1))
@settings(deadline=None)
def test_a_truncated_package_is_refused(length: int) -> None:
    with pytest.raises(DebError):
        read_stream(io.BytesIO(WHOLE[:length]))


@given(st.text(max_size=200))
def test_any_control_text_is_read_or_refused(text: str) -> None:
    with suppress(DebError):
        read_stream(io.BytesIO(deb(text, form="")))


def _ar_of(**replaced: bytes) -> bytes:
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(tar({"./control": control().encode()})),
        "data.tar.gz": gzip.compress(tar({})),
    }
    return ar(list({**parts, **{name.replace("__", "-").replace("_", "."): data for name, data in replaced.items()}}.items()))


BOMB = gzip.compress(tar({"./x": bytes(70 * 1024 * 1024)}), compresslevel=1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b"hello, this is no package", "it is not an ar archive"),
        (b"!<arch>\n", "it has no debian-binary: it is truncated or not a Debian package"),
        (deb()[:90], "it is truncated or damaged: an ar header is broken"),
        (deb()[:-1], "it is truncated"),
        (deb().replace(b"`\n", b"``"), "it is truncated or damaged: an ar header is broken"),
        (ar([("debian-binary", b"2.0\n")]), "it has no control.tar: it is truncated or not a Debian package"),
        (ar([("control.tar", b"")]), "its member 'control.tar' stands where debian-binary belongs"),
        (ar([("debian-binary", b"2.0\n"), ("data.tar", b"")]), "its member 'data.tar' stands where control.tar belongs"),
        (ar([("debian-binary", b"3.0\n")]), "its format is b'3.0\\n', not 2.0"),
        (_ar_of(control_tar_gz=BOMB), "it unpacks to more than any package may (a decompression bomb)"),
        (
            _ar_of(control_tar_gz=b"not gzip"),
            "its control.tar is damaged: zlib error: Error -3 while decompressing data: incorrect header check",
        ),
        (_ar_of(control_tar_gz=gzip.compress(tar({}))), "it has 0 control files where there must be exactly one"),
        (
            _ar_of(control_tar_gz=gzip.compress(tar([("./control", b"A: 1\n"), ("control", b"A: 1\n")]))),
            "it has 2 control files where there must be exactly one",
        ),
        (
            _ar_of(control_tar_gz=gzip.compress(tar({"./control": bytes(1024 * 1024 + 1)}))),
            "its control file is larger than 1 MiB",
        ),
        (
            _ar_of(control_tar_gz=gzip.compress(tar({"./control": control().encode()}))[:-10]),
            "its compressed data is truncated",
        ),
        (deb(b"Package: \xff\n"), "its control file is not UTF-8"),
        (deb("Version: 1\nArchitecture: all\n"), "its control file has no field Package"),
        (deb(control("../../etc")), "its field Package is not valid: '../../etc'"),
        (deb(control(version="1;rm -rf")), "its field Version is not valid: '1;rm -rf'"),
        (deb(control(version="1/../../2")), "its field Version is not valid: '1/../../2'"),
        (deb(control(version="1" * 200)), "its field Version is not valid: '" + "1" * 128 + "'"),
        (deb(control(architecture="amd64 i386")), "its field Architecture is not valid: 'amd64 i386'"),
        (
            deb(control(more="X: 1\n\nPackage: injected\n")),
            "its control file is not a stanza: 2 stanzas where there must be exactly one",
        ),
        (
            deb(control(more="Package: twice\n")),
            "its control file is not a stanza: field Package is there twice in the stanza that ends before line 10",
        ),
    ],
)
def test_refuses(data: bytes, message: str) -> None:
    with pytest.raises(DebError) as error:
        read_stream(io.BytesIO(data))
    assert str(error.value) == message


def test_unknown_compression_is_refused() -> None:
    data = ar([("debian-binary", b"2.0\n"), ("control.tar.lz4", b""), ("data.tar", b"")])
    with pytest.raises(DebError, match=r"compressed as '\.lz4'"):
        read_stream(io.BytesIO(data))


def test_a_package_in_several_compressed_streams_is_one() -> None:
    inner = tar({"./control": control().encode()})
    for form, compress in ((".xz", lzma.compress), (".gz", gzip.compress)):
        halves = compress(inner[:700]) + compress(inner[700:])
        parts = [("debian-binary", b"2.0\n"), (f"control.tar{form}", halves), ("data.tar", tar({}))]
        assert read_stream(io.BytesIO(ar(parts))).name == "etcd-server"


def test_endless_tar_headers_are_refused() -> None:
    # A long name in front of a long name in front of …: tarfile follows each by recursion.
    header = tarfile.TarInfo("././@LongLink")
    header.type = tarfile.GNUTYPE_LONGNAME
    block = header.tobuf(tarfile.GNU_FORMAT)
    data = _ar_of(control_tar_gz=gzip.compress(block * 5000))
    with pytest.raises(DebError):
        read_stream(io.BytesIO(data))


def test_lists_files(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, mode, target in (
            ("./", tarfile.DIRTYPE, 0o755, ""), ("./usr/bin/etcd", tarfile.REGTYPE, 0o755, ""),
            ("./usr/bin/e", tarfile.SYMTYPE, 0o777, "etcd"), ("./dev/x", tarfile.CHRTYPE, 0o600, ""),
        ):  # fmt: skip
            item = tarfile.TarInfo(name)
            item.type, item.mode, item.linkname = kind, mode, target
            item.size = 3 if kind == tarfile.REGTYPE else 0
            archive.addfile(item, io.BytesIO(b"abc"))
    path = tmp_path / "x.deb"
    path.write_bytes(ar([("debian-binary", b"2.0\n"), ("control.tar", tar({"./control": control().encode()})),
                         ("data.tar.zst", COMPRESS[".zst"](out.getvalue()))]))  # fmt: skip
    assert list_files(path) == (
        Entry("/", "folder", 0o755, 0), Entry("/usr/bin/etcd", "file", 0o755, 3),
        Entry("/usr/bin/e", "symlink", 0o777, 0, "etcd"), Entry("/dev/x", "special", 0o600, 0),
    )  # fmt: skip
    assert read_deb(path).name == "etcd-server"


PATHS = st.lists(st.from_regex(r"[a-zA-Z0-9_.+@-]{1,40}", fullmatch=True).filter(lambda name: name.strip(".")), min_size=1,
                 max_size=5).map("/".join)  # fmt: skip
ITEMS = st.builds(
    lambda name, content, mode, owner, link: (
        Item(f"./{name}", b"", 0o777, owner, tarfile.SYMTYPE, link) if link else Item(f"./{name}", content, mode, owner)
    ),
    PATHS, st.binary(max_size=2000), st.integers(0, 0o7777), st.tuples(st.integers(0, 99999), st.integers(0, 99999)),
    st.one_of(st.just(""), PATHS),
)  # fmt: skip
SCRIPT = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=200)


@given(st.lists(ITEMS, max_size=12, unique_by=lambda item: item.name), FORMS, SCRIPT, st.lists(PATHS, max_size=3))
@settings(deadline=None)
def test_reads_the_contents_that_python_debian_reads(items: list[Item], form: str, script: str, conffiles: list[str]) -> None:
    about = {"postinst": f"#!/bin/sh\n{script}", "conffiles": "".join(f"/{path}\n" for path in conffiles)}
    data = deb(form=form, data=items, about=about)
    found = contents_of(io.BytesIO(data), lambda _: True)
    assert found.deb == read_stream(io.BytesIO(data))
    if form == ".zst":
        return
    theirs = DebFile(fileobj=io.BytesIO(data))
    wanted = [
        (member.name, member.mode, f"{member.uid}:{member.gid}", member.linkname, member.size) for member in theirs.data.tgz()
    ]
    assert [("." + e.path, e.mode, e.owner, e.target, e.size) for e in found.entries] == wanted
    assert found.texts == {i.name[1:]: i.content.decode(errors="replace") for i in items if not i.target}
    assert [e.sha256 for e in found.entries] == [sha256(i.content).hexdigest() if not i.target else "" for i in items]
    assert {name: text.encode() for name, text in found.scripts.items()} == {
        name: text for name, text in theirs.scripts().items() if text
    }
    assert list(found.conffiles) == [f"/{path}" for path in conffiles]


@given(st.data(), FORMS)
@settings(max_examples=300, deadline=None)
def test_a_mutated_package_gives_its_contents_or_is_refused(data: st.DataObject, form: str) -> None:
    raw = bytearray(deb(form=form, about={"prerm": "#!/bin/sh\n"}, data=[Item("./a", b"a" * 3000), Item("./b", mode=0o600)]))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(raw) - 1))
        raw[where : where + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    with suppress(DebError):
        assert contents_of(io.BytesIO(bytes(raw))).deb.size == len(raw)


def test_only_what_is_asked_for_is_kept_and_memory_does_not_follow_the_size(tmp_path: Path) -> None:
    size = 64 * 1024 * 1024
    path = tmp_path / "big.deb"
    items = [Item("./usr/bin/big", bytes(size), 0o755), Item("./usr/lib/systemd/system/a.service", b"[Unit]\n")]
    path.write_bytes(deb(form=".gz", data=items))
    tracemalloc.start()
    found = read_contents(path, lambda name: name.endswith(".service"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.texts == {"/usr/lib/systemd/system/a.service": "[Unit]\n"}
    assert found.entries[0].sha256 == sha256(bytes(size)).hexdigest()
    assert peak < 24 * BLOCK


SPARSE = tarfile.TarInfo("./hole")
SPARSE.type = tarfile.GNUTYPE_SPARSE
BAD_CONTENTS = {
    "its /big.service is larger than 1 MiB": deb(data=[Item("./big.service", bytes(1024 * 1024 + 1))]),
    "it has 2 postinst files where there must be exactly one": _ar_of(
        control_tar_gz=gzip.compress(tar([("./control", control().encode()), ("./postinst", b""), ("postinst", b"")]))
    ),
    "its /hole is a sparse file, which dpkg does not unpack": _ar_of(
        data_tar_gz=gzip.compress(SPARSE.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    ),
}


@pytest.mark.parametrize("message", BAD_CONTENTS)
def test_refuses_contents(message: str) -> None:
    with pytest.raises(DebError, match=message):
        contents_of(io.BytesIO(BAD_CONTENTS[message]), lambda path: path.endswith(".service"))

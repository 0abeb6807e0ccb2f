import pytest
from hypothesis import given
from hypothesis import strategies as st

from repo.armor import armored, crc24, detached, inline, packets


@given(st.binary(min_size=1, max_size=300))
def test_packets_are_what_was_armored(data: bytes) -> None:
    assert packets(armored(data)) == data
    assert packets(armored(data).replace(b"SIGNATURE-----\n\n", b"SIGNATURE-----\nVersion: x\nComment: y\n\n")) == data


def test_the_checksum_is_rfc_4880s() -> None:
    assert (crc24(b""), crc24(b"123456789")) == (0xB704CE, 0x21CF02)


def test_two_signatures_become_one() -> None:
    assert packets(detached([armored(b"one"), armored(b"two") + armored(b"three")])) == b"onetwothree"


@pytest.mark.parametrize("document", [b"", b"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", b"hello\n"])
def test_no_signature_is_an_error(document: bytes) -> None:
    with pytest.raises(ValueError, match="no armored signature"):
        packets(document)


def test_the_text_that_is_published_is_ours() -> None:
    theirs = inline("Evil: yes\n", [armored(b"s")])
    assert inline("A: b\n-C: d\n", [theirs]) == (
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nA: b\n- -C: d\n" + armored(b"s")
    )

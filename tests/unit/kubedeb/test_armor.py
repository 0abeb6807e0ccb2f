"""The one reader of armor: its inverse, and everything hostile that any of its users may be handed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedeb.armor import PUBLIC_KEY, SIGNATURE, armored, binary, crc24, detached, inline, packets

KEY = armored(b"\x98key", PUBLIC_KEY).decode()


@given(st.binary(min_size=1, max_size=300), st.sampled_from([SIGNATURE, PUBLIC_KEY]))
def test_packets_are_what_was_armored(data: bytes, kind: str) -> None:
    text = armored(data, kind)
    assert packets(text, kind) == data
    assert packets(b"before\n" + text.replace(b"-----\n\n", b"-----\nVersion: x\nComment: y\n\n", 1) + b"behind", kind) == data
    assert packets(text.replace(b"\n", b" \t\r\n"), kind) == data


def test_the_checksum_is_rfc_4880s() -> None:
    assert (crc24(b""), crc24(b"123456789")) == (0xB704CE, 0x21CF02)


def test_two_blocks_become_one() -> None:
    assert packets(detached([armored(b"one"), armored(b"two") + armored(b"three")])) == b"onetwothree"
    assert packets((KEY + "between\n" + KEY).encode(), PUBLIC_KEY) == b"\x98key\x98key"


HOSTILE = {
    "": "it has no armored",
    "hello\n": "it has no armored",
    armored(b"a signature, not a key").decode(): "it has no armored",
    " " + KEY: "it has no armored",
    KEY.replace("-----\n", "-----X\n", 1): "it has no armored",
    KEY.replace("\n\n", "\n\n\n=\n", 1).replace("mGtleQ==\n", ""): "is not base64",
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n": "it has no armored",
    KEY.partition("-----END")[0]: "does not end",
    KEY.partition("-----END")[0] + KEY: "a block begins within",
    KEY.replace("mGtl", "mGt%"): "is not base64",
    KEY.replace("mGtl", "mGt\u2028l"): "is not base64",
    KEY.replace("mGtl", "mGt"): "is not base64",
    KEY.replace("mGtl", "nGtl"): "the checksum of an armored block",
    KEY.replace("\n\n", "\n", 1): "no empty line",
    KEY.replace("\n\n", "\nmGtleQ==\n\n", 1): "a line that is no header",
    KEY.replace("\n\n", "\nVersion:\u00a0x\n\n", 1): "a line that is no header",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_armor_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=HOSTILE[text]):
        packets(text.encode(), PUBLIC_KEY)


@given(st.binary(max_size=200))
def test_no_bytes_give_another_error(data: bytes) -> None:
    for document in (data, KEY.encode().replace(b"mGtl", data)):
        try:
            packets(document, PUBLIC_KEY)
        except ValueError:
            continue


def test_what_is_not_armored_stays_as_it_is() -> None:
    assert binary(b"\x98key", PUBLIC_KEY) == binary(KEY.encode(), PUBLIC_KEY) == b"\x98key"
    with pytest.raises(ValueError, match="no armored"):
        binary(b"hello", PUBLIC_KEY)


def test_the_text_that_is_published_is_ours() -> None:
    theirs = inline("Evil: yes\n", [armored(b"s")])
    assert inline("A: b\n-C: d\n", [theirs]) == (
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nA: b\n- -C: d\n" + armored(b"s")
    )
    assert packets(inline("- -----BEGIN PGP SIGNATURE-----\n", [armored(b"s")])) == b"s"

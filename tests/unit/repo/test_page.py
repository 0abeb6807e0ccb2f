from repo.keys import parse_keys
from repo.models import Identity, Package, Suite
from repo.page import page
from repo.stats import SuiteStats, metrics_text

HOSTILE = "<script>alert(1)</script>\"'&"
IDENTITY = Identity(origin="o", label=HOSTILE, url="http://h", fingerprint="F" * 40, suites=(Suite("s", ("amd64",)),))


def test_nothing_from_a_package_is_markup() -> None:
    row = Package(HOSTILE, HOSTILE, HOSTILE, "a" * 64, 7, f"Source: {HOSTILE}\n")
    text = page(IDENTITY, IDENTITY.suites[0], 3, 0, [(row, None)], [])
    assert text.count("<script>") == 1
    assert "&lt;script&gt;alert(1)" in text


def test_a_date_that_is_not_known_is_empty() -> None:
    row = Package("a", "1", "all", "a" * 64, 7, "")
    assert "<td>all<td><td" in page(IDENTITY, IDENTITY.suites[0], 3, 0, [(row, None)], [])
    assert "<td>all<td>1970-01-01 00:01 UTC<td" in page(IDENTITY, IDENTITY.suites[0], 3, 0, [(row, 60)], [])


def test_metrics() -> None:
    one = SuiteStats('a"b', 4, 90, None, 3, 2, 70, {}, ())
    lines = metrics_text([one], {"AA": 500, "BB": None}, 100.0).splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert samples == [
        'kubedeb_repo_generation{suite="a\\"b"} 4',
        'kubedeb_repo_age_seconds{suite="a\\"b"} 10',
        'kubedeb_repo_packages{suite="a\\"b"} 3',
        'kubedeb_repo_package_bytes{suite="a\\"b"} 70',
        'kubedeb_repo_key_expiry_timestamp_seconds{fingerprint="AA"} 500',
    ]


def test_a_subkey_is_not_a_key() -> None:
    listing = (
        "pub:-:255:22:K:1:900::-:::sc:\nfpr:::::::::AA:\nsub:-:255:22:L:1:5::::::e:\nfpr:::::::::BB:\n"
        "pub:-:255:22:K:1:::-::\nfpr:::::::::CC:\n"
    )
    assert parse_keys(listing) == {"AA": 900, "CC": None}


def test_every_key_of_an_overlap_is_on_the_page() -> None:
    text = page(IDENTITY, IDENTITY.suites[0], 3, 0, [], [("A" * 40, True), ("B" * 40, True), ("C" * 40, False)])
    assert [text.count(f">{letter * 40}<") for letter in "ABC"] == [1, 1, 1]
    assert f"To be signed by <code>{'C' * 40}" in text


def test_what_was_said_is_linked_and_escaped() -> None:
    stanza = f"Package: a\nKubedeb-Beside:\n {'b' * 64} 3 a<b>.intoto.jsonl\n {'c' * 64} 3 a_1_all.buildinfo\n"
    text = page(IDENTITY, IDENTITY.suites[0], 3, 0, [(Package("a", "1", "all", "a" * 64, 7, stanza), None)], [])
    folder = f"../../pool/aa/{'a' * 64}"
    assert f'<td><a href="{folder}/a%3Cb%3E.intoto.jsonl">statements</a>, ' in text
    assert f'<a href="{folder}/a_1_all.buildinfo">buildinfo</a></tr>' in text

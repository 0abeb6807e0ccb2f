import pytest

from repo.explain import RULES, explain

SAMPLES = (
    "E: Failed to fetch http://h/Packages.xz  File has unexpected size (192 != 184). Mirror sync in progress?",
    "E: Release file for http://h/dists/s/InRelease is expired (invalid since 1d)..",
    "E: Release file for http://h/dists/s/InRelease is not valid yet (invalid for another 59min). Updates will not be applied.",
    "E: Repository 'http://h s InRelease' changed its 'Origin' value from 'a' to 'b'",
    "E: The repository 'http://h s InRelease' provides only weak security information.",
    "W: GPG error: http://h s InRelease: The signatures couldn't be verified: NO_PUBKEY 0123456789ABCDEF",
    "W: GPG error: http://h s InRelease: The following signatures were invalid: EXPKEYSIG 0123456789ABCDEF",
    "W: GPG error: http://h s InRelease: The following signatures were invalid: BADSIG 0123456789ABCDEF",
    "E: The repository 'http://h s Release' does not have a Release file.",
    "W: GPG error: http://h s InRelease: Splitting up /p/h_dists_s_InRelease into data and signature failed",
    "E: Conflicting values set for option Signed-By regarding source http://h/ s: /a.gpg != /b.gpg",
    "N: Skipping acquire of configured file 'main/binary-i386/Packages' as repository 'http://h s InRelease' "
    "doesn't support architecture 'i386'",
    "W: Skipping acquire of configured file 'x/binary-amd64/Packages' as repository 'http://h s InRelease' "
    "doesn't have the component 'x' (component misspelt in sources.list?)",
    "E: Failed to fetch http://h/pool/a.deb  404  Not Found [IP: 127.0.0.1 80]",
    "E: Failed to fetch http://h/dists/s/InRelease  403  Forbidden [IP: 127.0.0.1 80]",
    "E: Failed to fetch http://h/dists/s/InRelease  503  Service Unavailable [IP: 127.0.0.1 80]",
    "W: Target Packages (main/binary-amd64/Packages) is configured multiple times in /a.sources:1 and /b.sources:1",
    "The following packages have unmet dependencies:\n etcd : Depends: no-such but it is not installable",
    "E: Packages were downgraded and -y was used without --allow-downgrades.",
    "W: Failed to fetch http://h/dists/s/InRelease  Could not connect to h:80 (127.0.0.1). - connect (111: Connection refused)",
    "W: Failed to fetch https://h/dists/s/InRelease  Certificate verification failed: The certificate is NOT trusted.",
    "E: Version '9' for 'etcd-server' was not found",
)


@pytest.mark.parametrize(("rule", "said"), list(zip(RULES, SAMPLES, strict=True)))
def test_each_sample_has_its_one_rule(rule: object, said: str) -> None:
    assert explain(said) == (rule,)


def test_what_apt_says_when_all_is_well_has_none() -> None:
    assert explain("Hit:1 http://h s InRelease\nReading package lists...") == ()

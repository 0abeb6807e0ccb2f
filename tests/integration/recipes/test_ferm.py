"""The ferm example: a reload keeps what kube-proxy and Felix made, and the jumps to it (real ferm, in a network of its own)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from rootonly import root_only

EXAMPLE = Path(__file__).parents[3] / "recipes/kubernetes-common/debian/examples/kubernetes.ferm"
MADE = """\
-t nat -N KUBE-SERVICES
-t nat -N KUBE-SVC-ABC
-t nat -A KUBE-SVC-ABC -p tcp -m comment --comment "default/web: http" -j DNAT --to-destination 10.0.0.1:80
-t nat -A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -j KUBE-SVC-ABC
-t nat -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-N KUBE-FORWARD
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A FORWARD -j KUBE-FORWARD
-N cali-FORWARD
-N cali-tw-eth0
-A cali-tw-eth0 -j MARK --set-xmark 0x10000/0x10000
-A cali-FORWARD -i cali+ -j cali-tw-eth0
-A FORWARD -j cali-FORWARD
-t mangle -N cali-PREROUTING
-t mangle -A cali-PREROUTING -j RETURN
"""
SITE = """\
domain (ip ip6) table filter {{
    chain INPUT {{ policy DROP; interface lo ACCEPT; }}
    chain FORWARD policy DROP;
}}
@include '{example}';
"""


def test_a_reload_takes_nothing_away(tmp_path: Path) -> None:
    root_only("makes a network of its own")
    subprocess.run(["apt-get", "download", "ferm"], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    (package,) = tmp_path.glob("ferm_*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path / "ferm")], check=True)
    tools = tmp_path / "tools"
    tools.mkdir()
    for family in ("iptables", "ip6tables"):
        for suffix in (
            "",
            "-save",
            "-restore",
        ):  # ferm takes the legacy tools where they are, so the example must meet the same
            (tools / f"{family}{suffix}").symlink_to(f"/usr/sbin/{family}-legacy{suffix}")
    (tmp_path / "site.ferm").write_text(SITE.format(example=EXAMPLE))
    ferm = f"perl -I {tmp_path}/ferm/usr/share/perl5 {tmp_path}/ferm/usr/sbin/ferm {tmp_path}/site.ferm"
    made = "".join(f"iptables {line}\n" for line in MADE.splitlines())
    script = f"set -e\n{made}{ferm}\niptables-save\necho ---\n{ferm}\niptables-save\n"
    environment = {**os.environ, "PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], env=environment, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    first, _, second = done.stdout.partition("---\n")
    assert rules(first) == rules(second)
    for line in MADE.splitlines():
        words = line.removeprefix("-t nat ").removeprefix("-t mangle ")
        if words.startswith("-A") and not words.startswith(("-A PREROUTING", "-A FORWARD")):
            assert words in rules(first), first
    for jump in ("-A PREROUTING -j KUBE-SERVICES", "-A FORWARD -j KUBE-FORWARD", "-A FORWARD -j cali-FORWARD"):
        assert jump in rules(first)
    assert ":FORWARD DROP" in first


def rules(saved: str) -> list[str]:
    """Return the rules of what iptables-save printed."""
    return [line for line in saved.splitlines() if line.startswith("-A")]

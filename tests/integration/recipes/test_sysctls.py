"""The example of sysctls for pods with IPv6, copied and read in a network of its own, whose uplink hears routers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from rootonly import root_only

EXAMPLE = Path(__file__).parents[3] / "recipes/kubernetes-common/debian/examples/60-kubernetes-ipv6.conf"
ASK = "sysctl --values net.ipv6.conf.all.forwarding net.ipv6.conf.eth0.forwarding net.ipv6.conf.eth0.accept_ra"


def applied(file: Path) -> list[str]:
    """Return forwarding of the host and of an uplink, and the uplink's accept_ra, once the file is read."""
    script = f"ip link add eth0 type veth peer name eth1 && sysctl --quiet --load={file} && {ASK}"
    return subprocess.run(["unshare", "--net", "sh", "-c", script], check=True, capture_output=True, text=True).stdout.split()


def test_as_it_stands_a_host_forwards_and_with_its_last_line_it_goes_on_to_hear_routers(tmp_path: Path) -> None:
    root_only("makes a network of its own")
    assert applied(EXAMPLE) == ["1", "1", "1"]
    where_needed = tmp_path / "60-kubernetes-ipv6.conf"
    where_needed.write_text(re.sub(r"^#(net\..*)$", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE))
    assert applied(where_needed) == ["1", "1", "2"]

"""What is read of nodes: packages, daemons, the host. Nodes that answer alike stand in the facts once, under a node set."""

from __future__ import annotations

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.fact import fact
from upgrade_plans.models.words import (
    AbsolutePath,
    DebianText,
    Digest,
    Identifier,
    Moment,
    MountPoint,
    Name,
    PackageName,
    VersionText,
)

Text = str | int | bool
API_NODE = "kubectl get nodes -o json"


class AvailablePackage(StrictModel):
    """A version of a package that the node's apt can install."""

    version: DebianText = fact("Debian version", "apt-cache show NAME: Version")
    sha256: Digest = fact("digest of the package", "apt-cache show NAME: SHA256 (signed index)")
    size: int = fact("size in bytes", "apt-cache show NAME: Size (signed index)")


class PackageFacts(StrictModel):
    """A package on a node."""

    installed: DebianText | None = fact("installed version; null: not installed", "dpkg-query -W", None)
    available: tuple[AvailablePackage, ...] = fact("what apt offers, any order", "apt-cache show NAME", ())
    cached: tuple[DebianText, ...] = fact("versions that lie ready on the node", "ls /var/cache/apt/archives, sha256sum", ())
    held: bool = fact("apt may not change it", "apt-mark showhold", False)


class ConfigFile(StrictModel):
    """A configuration file that a daemon's arguments name, as YAML or JSON, flattened."""

    api_version: str | None = fact("its apiVersion", "head of the file: apiVersion", None)
    kind: str | None = fact("its kind", "head of the file: kind", None)
    fields: dict[str, Text] = fact("every scalar by dotted path (featureGates.Accelerators)", "the whole file", {})


class Settings(StrictModel):
    """With what a daemon runs, or would start."""

    version: VersionText | None = fact("version of the binary", "running: the daemon's /version; disk: BINARY --version", None)
    arguments: dict[str, str] = fact(
        "arguments by flag (`--v`: `2`; a flag alone: `true`)",
        "running: /proc/PID/cmdline; disk: systemctl cat UNIT with its EnvironmentFile filled in", {},
    )  # fmt: skip
    environment: dict[str, str] = fact(
        "environment, without secrets", "running: /proc/PID/environ; disk: systemctl show -p Environment", {}
    )
    gates: dict[str, bool] = fact("feature gates by name", "the argument --feature-gates, split", {})
    admission: tuple[str, ...] = fact(
        "admission plugins in order", "--admission-control, --enable-admission-plugins, split", ()
    )
    files: dict[AbsolutePath, ConfigFile] = fact("files that the arguments name", "cat PATH", {})


class OnDisk(Settings):
    """What would start on a reboot, or after a crash."""

    enabled: bool = fact("it starts on boot", "systemctl is-enabled UNIT", True)
    masked: bool = fact("nothing can start it", "systemctl is-enabled UNIT: masked", False)


class DaemonFacts(StrictModel):
    """A daemon of a node. What runs and what would start are two things: a reboot judges by the disk."""

    running: Settings | None = fact("what runs; null: nothing does", "systemctl show -p MainPID UNIT, then /proc/PID", None)
    disk: OnDisk | None = fact("what would start; null: nothing is there", "systemctl cat UNIT, /etc/default/UNIT", None)
    image: str | None = fact("image, of a daemon in a container", "docker inspect NAME: Config.Image", None)


class RuntimeFacts(StrictModel):
    """The container runtime of a node."""

    name: Name = fact("its name (`docker`, `containerd`)", f"{API_NODE}: status.nodeInfo.containerRuntimeVersion")
    version: VersionText = fact("its version", f"{API_NODE}: status.nodeInfo.containerRuntimeVersion")


class HostFacts(StrictModel):
    """The kernel and the disks, as far as new versions ask for more of them."""

    os_image: str | None = fact("operating system", f"{API_NODE}: status.nodeInfo.osImage", None)
    kernel: str | None = fact("kernel release", "uname -r", None)
    swap: bool | None = fact("swap is on", "cat /proc/swaps", None)
    root_shared: bool | None = fact("the root mount is shared, as the kubelet sees it", "findmnt -o PROPAGATION /", None)
    ip_forward: bool | None = fact("packets are forwarded", "sysctl net.ipv4.ip_forward", None)
    ipv6_forward: bool | None = fact("IPv6 packets are forwarded", "sysctl net.ipv6.conf.all.forwarding", None)
    accept_ra: int | None = fact(
        "router advertisements on the uplink; 2 goes on while forwarding", "sysctl net.ipv6.conf.IF.accept_ra", None
    )
    forward_policy: str | None = fact("policy of the chain FORWARD", "iptables -S FORWARD", None)
    cgroup_driver: str | None = fact("cgroup driver of the runtime", "docker info -f '{{.CgroupDriver}}'", None)
    cgroup_version: int | None = fact("cgroup hierarchy, 1 or 2", "stat -fc %T /sys/fs/cgroup", None)
    free: dict[MountPoint, int] = fact("free bytes by mount point", "df --output=target,avail -B1", {})
    memory: int | None = fact("memory in bytes", "grep MemTotal /proc/meminfo", None)


class Certificate(StrictModel):
    """A certificate or token that a daemon uses."""

    path: AbsolutePath = fact("where it lies", "the daemon's arguments and kubeconfig")
    not_after: Moment = fact("end of validity, ISO 8601", "openssl x509 -enddate")
    names: tuple[str, ...] = fact("its SANs", "openssl x509 -ext subjectAltName", ())
    loaded: bool = fact("the running daemon has this one loaded", "openssl s_client -connect: the same serial", True)


class Kubeconfig(StrictModel):
    """A kubeconfig that a daemon of the node uses."""

    path: AbsolutePath = fact("where it lies", "the daemon's argument --kubeconfig")
    server: str = fact("the API server it names", "clusters[].cluster.server in the file")
    current_context: bool = fact("it names a current context", "current-context in the file", True)


class BgpFacts(StrictModel):
    """BGP sessions of a node, for one address family."""

    configured: int = fact("sessions that there should be", "calicoctl node status, birdc show protocols")
    established: int = fact("sessions that are Established", "calicoctl node status, birdc show protocols")


class NodeFacts(StrictModel):
    """A node, or nodes that answer alike; numbers are each node's own."""

    row: str = fact("row, where the facts name single nodes", "the cluster file", "")
    rack: str = fact("rack, where the facts name single nodes", "the cluster file", "")
    packages: dict[PackageName, PackageFacts] = fact("packages by name", "dpkg-query -W, apt-cache show", {})
    daemons: dict[Identifier, DaemonFacts] = fact("daemons by name (kubelet, etcd, calico-node)", "systemctl, docker ps", {})
    tools: dict[Identifier, VersionText] = fact("versions of clients (kubectl, helm, calicoctl)", "TOOL version --client", {})
    architecture: Identifier | None = fact("Debian's name of it", "dpkg --print-architecture", None)
    runtime: RuntimeFacts | None = fact("container runtime", f"{API_NODE}: status.nodeInfo", None)
    host: HostFacts | None = fact("kernel and disks; null: not read", "uname, sysctl, df", None)
    certificates: tuple[Certificate, ...] = fact("certificates in use", "openssl x509", ())
    kubeconfigs: tuple[Kubeconfig, ...] = fact("kubeconfigs in use", "cat PATH", ())
    ready: bool | None = fact(
        "condition Ready with a fresh heartbeat; null: no Node object", f"{API_NODE}: status.conditions", None
    )
    unschedulable: bool = fact("cordoned", f"{API_NODE}: spec.unschedulable", False)
    labels: dict[str, str] = fact("labels that differ from the name", f"{API_NODE}: metadata.labels", {})
    taints: tuple[str, ...] = fact("taints, KEY=VALUE:EFFECT", f"{API_NODE}: spec.taints", ())
    capacity: dict[str, int] = fact("capacity by resource: millicores, bytes, pieces", f"{API_NODE}: status.allocatable", {})
    bgp: dict[Identifier, BgpFacts] = fact("BGP sessions by family (v4, v6)", "calicoctl node status", {})

"""Facts: what `kubedeb inspect` read of a live cluster. Everything after works from this file alone."""

from __future__ import annotations

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.words import DebianText, Digest, Identifier, Name, NodeName, PackageName, VersionText

FORMAT = 1


class AvailablePackage(StrictModel):
    """A version of a package that the node's apt can install: its sha256 and size in bytes as the signed index states them."""

    version: DebianText
    sha256: Digest
    size: int


class PackageFacts(StrictModel):
    """A package on one node: the installed Debian version, what apt offers (any order), the versions that lie ready."""

    installed: DebianText | None = None
    available: tuple[AvailablePackage, ...] = ()
    cached: tuple[DebianText, ...] = ()


class NodeFacts(StrictModel):
    """A node: where it stands and its packages by name (apt-cache, dpkg-query)."""

    row: str
    rack: str
    packages: dict[PackageName, PackageFacts] = {}


class MemberFacts(StrictModel):
    """An etcd member, read from its own endpoint.

    `running` is `/version`'s etcdserver, `cluster_version` its etcdcluster (`3.4.0`), None when the member did not answer;
    `member_id` and `cluster_id` are hexadecimal; `raft_index`, `revision` and `db_size` (bytes) come from
    `/v3/maintenance/status`.
    """

    node: NodeName
    member_id: Identifier | None = None
    cluster_id: Identifier | None = None
    running: VersionText | None = None
    cluster_version: VersionText | None = None
    leader: bool = False
    healthy: bool = False
    alarms: tuple[str, ...] = ()
    raft_index: int = 0
    revision: int = 0
    db_size: int = 0


class Facts(StrictModel):
    """Everything that was read of one cluster at `read_at` (ISO 8601, UTC)."""

    format: int = FORMAT
    cluster: Name
    read_at: str
    nodes: dict[NodeName, NodeFacts]
    etcd: tuple[MemberFacts, ...]

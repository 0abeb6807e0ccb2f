"""What is read of etcd: members, each from its own endpoint, and the two stores."""

from __future__ import annotations

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.fact import fact
from upgrade_plans.models.words import Identifier, NodeName, VersionText

STATUS = "POST /v3/maintenance/status at the member"


class MemberFacts(StrictModel):
    """An etcd member, read from its own endpoint."""

    node: NodeName = fact("its node", "the cluster file")
    member_id: Identifier | None = fact("id, hexadecimal; null: no answer", f"{STATUS}: header.member_id", None)
    cluster_id: Identifier | None = fact("the cluster's id, hexadecimal", f"{STATUS}: header.cluster_id", None)
    running: VersionText | None = fact("version that runs; null: no answer", "GET /version: etcdserver", None)
    cluster_version: VersionText | None = fact("cluster version (3.4.0)", "GET /version: etcdcluster", None)
    leader: bool = fact("it leads", f"{STATUS}: leader == header.member_id", False)
    healthy: bool = fact("it says that it is healthy", "GET /health", False)
    alarms: tuple[str, ...] = fact("alarms (NOSPACE, CORRUPT)", "POST /v3/maintenance/alarm, action GET", ())
    raft_index: int = fact("raft index", f"{STATUS}: raftIndex", 0)
    revision: int = fact("revision of the v3 store", f"{STATUS}: header.revision", 0)
    db_size: int = fact("size of the v3 store, bytes", f"{STATUS}: dbSize", 0)
    quota: int | None = fact("quota of the v3 store, bytes", "the argument --quota-backend-bytes (default 2 GiB)", None)
    disk_free: int | None = fact("free bytes beside the data directory", "df -B1 DATA_DIR", None)
    data_bytes: int | None = fact("size of the data directory, bytes", "du -sb DATA_DIR", None)


class StoreFacts(StrictModel):
    """What the v2 and the v3 store hold."""

    v2_keys: dict[str, int] = fact("keys of the v2 store by first prefix (/registry)", "ETCDCTL_API=2 etcdctl ls -r", {})
    v3_keys: dict[str, int] = fact("keys of the v3 store by first prefix", "etcdctl get '' --from-key --keys-only", {})
    v2_bytes: int | None = fact("size of the v2 store, bytes", "GET /v2/stats/store; size of member/snap/*.snap", None)
    born: VersionText | None = fact("version with which the data directory was made", "operators; the first WAL's date", None)
    v3_snapshot: VersionText | None = fact("lowest version that saved a snapshot with v3 data", "ls -l member/snap", None)
    auth: bool | None = fact("authentication is on", "etcdctl auth status", None)
    v2_clients: tuple[str, ...] = fact("clients seen on /v2/keys", "ss -tnp at the members, access log of the proxy", ())

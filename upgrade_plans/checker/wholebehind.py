"""The rows that the clauses of docs/semantics.md, 15, rest on, where a clause always rests on the same."""

from __future__ import annotations

DEFAULT, WRITERS, WINDOW = "kube-apiserver-etcd3-default", "storage-hop-etcd2-etcd3", "calico-migration-window"
BEHIND: dict[tuple[str, str], str] = {
    ("etcd-quorum", "majority"): "etcd-quorum",
    ("etcd-quorum", "two"): "etcd-rolling",
    ("etcd-hop", "below"): "etcd-no-downgrade",
    ("etcd-hop", "skip"): "etcd-one-minor",
    ("etcd-hop", "lag"): "etcd-cluster-version",
    ("etcd-store", "writes"): DEFAULT,
    ("etcd-store", "boots"): DEFAULT,
    ("etcd-store", "two"): DEFAULT,
    ("etcd-store", "deleted"): DEFAULT,
    ("write-stop", "servers"): WRITERS,
    ("write-stop", "open"): WRITERS,
    ("snapshot", "cold"): "etcd-snapshot-v3-only",
    ("snapshot", "unproven"): "etcd-backup-drill",
    ("snapshot", "stores"): "etcd-backup-first",
    ("snapshot", "unblocked"): "etcd-no-downgrade",
    ("calico-datastore", "early"): WINDOW,
    ("calico-datastore", "behind"): "calico-migration-back",
    ("calico-datastore", "old"): "calico-2.6.5-first",
    ("calico-datastore", "unclean"): "calico-migration-clean",
    ("calico-datastore", "unfrozen"): WINDOW,
    ("calico-datastore", "pods"): WINDOW,
    ("calico-datastore", "copied"): "calico-3-after-migration",
}

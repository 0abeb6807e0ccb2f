"""The facts of the reference clusters and of a modern one: written into `tests/cases/clusters` by `python referencecase.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from upgrade_plans import clusterfile, factsfile
from upgrade_plans.models.cluster import Cluster, Role
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.nodesets import fold

CASES = Path(__file__).parents[1] / "cases"
Tree = dict[str, Any]
READ_AT = "2018-07-02T06:00:00+00:00"
MIB, GIB = 1 << 20, 1 << 30
STRETCH, KERNEL = "Debian GNU/Linux 9 (stretch)", "4.9.0-6-amd64"


def daemon(version: str, arguments: Mapping[str, str], **more: Any) -> Tree:
    """Return a daemon that runs as it would start."""
    settings: Tree = {"version": version, "arguments": dict(arguments), **more}
    return {"running": settings, "disk": dict(settings)}


def package(version: str) -> Tree:
    """Return an installed package."""
    return {"installed": version, "held": True}


def _masters(name: str, members: str, count: int) -> Tree:
    plugins = ("NamespaceLifecycle", "LimitRanger", "ServiceAccount", "ResourceQuota", "DefaultStorageClass")
    apiserver = daemon("1.7.16", {
        "--storage-backend": "etcd2", "--etcd-servers": members, "--apiserver-count": str(count),
        "--authorization-mode": "RBAC",
        "--admission-control": ",".join(plugins), "--insecure-port": "8080", "--runtime-config": "batch/v2alpha1",
        "--audit-log-path": "/var/log/kube-audit.log", "--service-cluster-ip-range": "10.192.0.0/16",
    }, admission=plugins)  # fmt: skip
    manager = {"--master": "http://127.0.0.1:8080", "--leader-elect": "true", "--replicaset-lookup-cache-size": "4096",
               "--service-sync-period": "5m"}  # fmt: skip
    scheduler = {"--master": "http://127.0.0.1:8080", "--leader-elect": "true"}
    return {
        "daemons": {
            "kube-apiserver": apiserver, "kube-controller-manager": daemon("1.7.16", manager),
            "kube-scheduler": daemon("1.7.16", scheduler),
        },
        "packages": {f"kube-{part}": package("1.7.16-1~deb9u1") for part in ("apiserver", "controller-manager", "scheduler")},
        "certificates": [{"path": "/etc/kubernetes/ssl/server.pem", "not_after": "2021-01-01T00:00:00+00:00",
                          "names": [f"{name}-kubemaster"]}],
        "host": {"os_image": STRETCH, "kernel": KERNEL, "swap": False, "free": {"/": 40 * GIB}},
        "tools": {"kubectl": "1.7.16"}, "architecture": "amd64",
    }  # fmt: skip


def _worker(p: str, *, big: bool, ingress: bool) -> Tree:
    kubelet = {
        "--api-servers": f"https://{p}-kubemaster:6443", "--kubeconfig": "/etc/kubernetes/kubeconfig",
        "--network-plugin": "cni",
        "--network-plugin-dir": "/opt/cni/bin", "--low-diskspace-threshold-mb": "512", "--cluster-dns": "10.192.0.254",
        "--pod-manifest-path": "/etc/kubernetes/manifests",
    }  # fmt: skip
    proxy = {"--proxy-mode": "iptables", "--masquerade-all": "true", "--master": f"https://{p}-kubemaster:6443"}
    node = {"IP": "autodetect", "ETCD_AUTHORITY": f"{p}-etcd1:2379", "ETCD_SCHEME": "https", "HOSTNAME": "as the host's",
            "CALICO_NETWORKING_BACKEND": "bird"}  # fmt: skip
    return {
        "daemons": {
            "kubelet": daemon("1.7.16", kubelet), "kube-proxy": daemon("1.7.16", proxy),
            "calico-node": {**daemon("2.2.0", {}, environment=node), "image": "registry/calico-node:v1.2.0"},
            "docker": daemon("1.12.6", {"--storage-driver": "overlay2"}),
        },
        "packages": {name: package("1.7.16-1~deb9u1") for name in ("kubelet", "kube-proxy")},
        "tools": {"calicoctl": "1.2.0"},
        "runtime": {"name": "docker", "version": "1.12.6"},
        "kubeconfigs": [
            {"path": "/etc/kubernetes/kubeconfig", "server": f"https://{p}-kubemaster:6443", "current_context": False},
        ],
        "host": {
            "os_image": STRETCH, "kernel": KERNEL, "swap": True, "root_shared": True,
            "ip_forward": True, "ipv6_forward": True, "accept_ra": 2, "forward_policy": "ACCEPT", "cgroup_driver": "cgroupfs",
            "cgroup_version": 1, "free": {"/": 60 * GIB, "/var/lib/docker": 120 * GIB},
        },
        "ready": True, "architecture": "amd64",
        "taints": ["dedicated=ingress:NoSchedule"] if ingress else [],
        "capacity": {"cpu": 64_000 if big else 40_000, "memory": (256 if big else 128) * GIB, "pods": 110},
        "bgp": {"v4": {"configured": 2, "established": 2}, "v6": {"configured": 2, "established": 2}},
    }  # fmt: skip


def _etcd(cluster: Cluster, version: str, line: str) -> tuple[Tree, list[Tree]]:
    nodes, members = {}, []
    for number, node in enumerate(cluster.members, 1):
        row, rack = cluster.place(node)
        arguments = {"--data-dir": "/var/lib/etcd/default", "--listen-client-urls": "https://0.0.0.0:2379"}
        nodes[node] = {
            "row": row, "rack": rack, "packages": {"etcd-server": package(f"{version}-1~deb9u1")},
            "daemons": {"etcd": daemon(version, arguments)}, "architecture": "amd64", "tools": {"etcdctl": version},
            "host": {"os_image": STRETCH, "swap": False, "free": {"/": 30 * GIB}},
        }  # fmt: skip
        members.append({
            "node": node, "member_id": f"{number}f", "cluster_id": f"c{cluster.name[-1]}" if cluster.name[-1] in "ab" else "c0",
            "running": version, "cluster_version": line, "leader": number == 1, "healthy": True, "raft_index": 40_000_000,
            "disk_free": 30 * GIB, "data_bytes": 400 * MIB,
        })  # fmt: skip
    return nodes, members


SERVICES = ("api", "auth", "basket", "billing", "catalog", "chat", "feed", "geo", "images", "mail", "maps", "media", "orders",
            "pay", "push", "rank", "search", "session", "stats", "thumbs", "users", "video", "wiki", "zoom")  # fmt: skip


def workloads(workers: tuple[str, ...], ingress: tuple[str, ...]) -> Iterator[Tree]:
    """Yield the workloads: a namespace and a service each, spread round; daemon sets; ingress on its own nodes."""
    usual = [node for node in workers if node not in ingress]
    for index, service in enumerate(SERVICES):
        replicas = min(2 + index % 7, len(usual))
        nodes = [usual[(index * 5 + step * 7) % len(usual)] for step in range(replicas)]
        placed = {node: nodes.count(node) for node in nodes}
        pods = [{"nodes": fold([node for node, count in placed.items() if count == each]), "each": each}
                for each in sorted(set(placed.values()))]  # fmt: skip
        yield {"namespace": service, "name": service, "kind": "Deployment", "replicas": replicas,
               "cpu": 500 + 100 * (index % 5), "memory": (256 + 128 * (index % 9)) * MIB, "service": service, "pods": pods,
               "autoscaled": index % 8 == 3}  # fmt: skip
        yield {"namespace": service, "name": "tiller-deploy", "kind": "Deployment", "replicas": 1, "memory": 64 * MIB,
               "pods": [{"nodes": nodes[0]}]}  # fmt: skip
    yield {"namespace": "ingress", "name": "ingress", "kind": "DaemonSet", "replicas": len(ingress), "cpu": 4000,
           "memory": 4 * GIB, "host_network": True, "tolerates": ["ingress"], "pods": [{"nodes": fold(ingress)}]}  # fmt: skip
    yield {"namespace": "kube-system", "name": "node-exporter", "kind": "DaemonSet", "replicas": len(workers), "cpu": 50,
           "memory": 32 * MIB, "host_network": True, "tolerates": ["ingress"], "pods": [{"nodes": fold(workers)}]}  # fmt: skip
    yield {"namespace": "kube-system", "name": "kube-dns", "kind": "Deployment", "replicas": 2, "cpu": 260, "memory": 170 * MIB,
           "service": "dns", "pods": [{"nodes": fold((usual[1], usual[-1]))}]}  # fmt: skip
    yield {"namespace": "kube-system", "name": "calico-policy-controller", "kind": "Deployment", "replicas": 1,
           "pods": [{"nodes": usual[2]}], "host_network": True}  # fmt: skip
    yield {"namespace": "stats", "name": "report", "kind": "CronJob", "replicas": 0, "schedule": "*/5 * * * *"}
    yield {"namespace": "search", "name": "index", "kind": "StatefulSet", "replicas": 3, "cpu": 4000, "memory": 16 * GIB,
           "service": "search-index", "local_data": True, "pods": [{"nodes": fold(usual[3:6])}]}  # fmt: skip


def reference(cluster: Cluster) -> Facts:
    """Return the facts of a reference cluster."""
    p = cluster.members[0].split("-")[0]
    workers, ingress = cluster.roles[Role.WORKER], cluster.taint_groups["ingress"].nodes
    big = set(cluster.hardware["big"])
    etcd_nodes, members = _etcd(cluster, "2.2.1", "2.2.0")
    masters = cluster.roles[Role.APISERVER]
    urls = ",".join(f"https://{node}:2379" for node in cluster.members)
    nodes: Tree = {**etcd_nodes, fold(masters): _masters(p, urls, len(masters))}
    for kind in sorted({(node in big, node in ingress) for node in workers}):
        alike = [node for node in workers if (node in big, node in ingress) == kind]
        nodes[fold(alike)] = _worker(p, big=kind[0], ingress=kind[1])
    nodes[f"{p}-deploy1"] = {"tools": {"kubectl": "1.7.16", "helm": "2.7.2", "calicoctl": "1.2.0"}, "architecture": "amd64"}
    nodes[fold([f"{p}-lb1", f"{p}-lb2", f"{p}-reg1"])] = {"architecture": "amd64"}
    kubernetes = {
        "uid": f"6f0e-{p}", "looked": True, "endpoints": [f"10.0.0.{number}" for number in (1, 2)],
        "advertise": {node: f"10.0.0.{number}" for number, node in enumerate(masters, 1)},
        "leader": {"kube-controller-manager": masters[0], "kube-scheduler": masters[0]}, "media_type": "json",
        "stored": {
            "deployments": {"extensions/v1beta1": 48}, "daemonsets": {"extensions/v1beta1": 2},
            "statefulsets": {"apps/v1beta1": 1}, "networkpolicies": {"extensions/v1beta1": 24},
            "clusterroles": {"rbac.authorization.k8s.io/v1beta1": 60},
            "cronjobs": {"batch/v2alpha1": 1}, "storageclasses": {"storage.k8s.io/v1beta1": 1},
        },
        "uses": {"cron-job": 1, "cron-job-v2alpha1-applied": 1, "autoscaler": 3, "workload-of-extensions-applied": 48,
                 "system-node-binding": 1, "image-of-gcr-io": 3, "network-policy-annotation": 4},
        "workloads": list(workloads(workers, ingress)),
        "budgets": [{"namespace": service, "name": service, "workloads": [service], "max_unavailable": "1"}
                    for service in SERVICES[::3]],
        "tillers": [{"namespace": service, "version": "2.7.2", "releases": 3 + len(service)} for service in SERVICES],
    }  # fmt: skip
    pools = {
        name: {"servers": [{"node": node, "connections": 40} for node in pool.nodes]}
        for name, pool in cluster.balancers.items()
    }
    return Facts.model_validate({
        "cluster": cluster.name, "read_at": READ_AT, "nodes": nodes, "etcd": members, "kubernetes": kubernetes,
        "store": {"v2_keys": {"/registry": 3200, "/calico": 900}, "v2_bytes": 22_000_000, "born": "2.2.1", "auth": False},
        "calico": {"datastore": "etcdv2", "felix_version": "2.2.0", "v1_ready": True, "mesh": False, "pools": 2,
                   "global_peers": 2, "reflectors": 0, "nodes": list(workers), "orchestrators": {"k8s": 300},
                   "v1_policies": 4, "controllers": 1},
        "balancers": pools,
    })  # fmt: skip


def modern(cluster: Cluster) -> Facts:
    """Return the facts of the modern cluster."""
    etcd_nodes, members = _etcd(cluster, "3.5.16", "3.5.0")
    planes = cluster.members
    host = {"os_image": "Debian GNU/Linux 12 (bookworm)", "swap": False, "cgroup_version": 2, "ip_forward": True}
    common: Tree = {"runtime": {"name": "containerd", "version": "1.7.24"}, "ready": True, "host": host}  # fmt: skip
    kubelet = daemon("1.31.4", {"--config": "/var/lib/kubelet/config.yaml"})
    nodes: Tree = {}
    for node in planes:
        parts = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
        started = {part: daemon("1.31.4", {}) for part in parts} | {"kubelet": kubelet}
        nodes[node] = {**etcd_nodes[node], **common, "daemons": {**etcd_nodes[node]["daemons"], **started}}
    arm = cluster.architectures["arm64"]
    for architecture, alike in (("arm64", arm), ("amd64", tuple(set(cluster.roles[Role.WORKER]) - set(arm)))):
        nodes[fold(alike)] = {
            **common, "daemons": {"kubelet": kubelet, "kube-proxy": daemon("1.31.4", {})}, "architecture": architecture,
            "capacity": {"cpu": 32_000, "memory": 128 * GIB, "pods": 110},
        }  # fmt: skip
    nodes["lb[1-2]"] = {"architecture": "amd64"}
    nodes["bastion1"] = {"tools": {"kubectl": "1.31.4", "kubeadm": "1.31.4"}}
    workers = cluster.roles[Role.WORKER]
    dns = {"namespace": "kube-system", "name": "coredns", "kind": "Deployment", "replicas": 2, "cpu": 100, "memory": 70 * MIB,
           "service": "dns", "pods": [{"nodes": fold((workers[0], workers[10]))}]}  # fmt: skip
    web = {"namespace": "shop", "name": "web", "kind": "Deployment", "replicas": 24, "cpu": 2000, "memory": 4 * GIB,
           "service": "web", "pods": [{"nodes": fold(workers)}]}  # fmt: skip
    kubernetes = {"uid": "77aa", "looked": True, "media_type": "protobuf", "workloads": [dns, web],
                  "stored": {"deployments": {"apps/v1": 2}}, "uses": {"kubeadm-config": 1}}  # fmt: skip
    return Facts.model_validate({
        "cluster": cluster.name, "read_at": "2025-01-15T06:00:00+00:00", "nodes": nodes, "etcd": members,
        "kubernetes": kubernetes,
        "store": {"v3_keys": {"/registry": 5200}, "born": "3.5.0", "v3_snapshot": "3.5.0", "auth": False},
        "balancers": {"apiserver": {"version": "2.6.12", "servers": [{"node": node} for node in planes]}},
    })  # fmt: skip


MAKERS = {"dc-a": reference, "dc-b": reference, "staging": reference, "modern": modern}


def made(name: str) -> tuple[Cluster, Facts]:
    """Return a cluster and its facts."""
    cluster = clusterfile.load(CASES / f"clusters/{name}.yaml")
    return cluster, MAKERS[name](cluster)


if __name__ == "__main__":
    for case in MAKERS:
        factsfile.save(CASES / f"clusters/{case}.facts.json", made(case)[1])
        sys.stdout.write(f"{case}\n")

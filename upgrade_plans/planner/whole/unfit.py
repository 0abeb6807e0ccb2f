"""Daemons and clients that no plan begins with: they do not run, would come back otherwise, or say no version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from upgrade_plans.models.cluster import Cluster, Role
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.nodefacts import DaemonFacts, NodeFacts
from upgrade_plans.models.upstream import version_of
from upgrade_plans.planner.reasons import AGAIN, Reason

OF_ROLE: Mapping[Role, tuple[str, ...]] = {
    Role.APISERVER: ("kube-apiserver",), Role.CONTROLLER_MANAGER: ("kube-controller-manager",),
    Role.SCHEDULER: ("kube-scheduler",),
}  # fmt: skip
"""The daemons that a role asks for."""
TOGETHER = ("kubelet", "kube-proxy")
"""What runs on every worker that answers, and moves in one step."""
NETWORK = "calico-node"
"""What the plan moves beside them where there is one."""
ON_HOSTS = ("etcd", *(name for names in OF_ROLE.values() for name in names))
TOOLS = ("kubectl", "helm", "calicoctl")


def unfit(facts: Facts, cluster: Cluster, workers: Iterable[str]) -> Iterator[Reason]:
    """Yield why no plan begins with what is there. `workers`: the entries of the facts' nodes that speak of some."""
    for role, names in OF_ROLE.items():
        for node in cluster.roles.get(role, ()):
            yield from _daemons(node, facts.of(node), names, needed=True)
    for member in facts.etcd:
        yield from _daemons(member.node, facts.of(member.node), ("etcd",), needed=False)
    for where in workers:
        here = facts.nodes[where]
        moved = (*TOGETHER, *({NETWORK} & here.daemons.keys()))
        yield from _daemons(where, here, moved, needed=here.ready is not False)
        yield from _daemons(where, here, sorted(here.daemons.keys() - {*ON_HOSTS, *moved}), needed=False)
        yield from _apart(where, here)
    yield from _unread(facts)


def _daemons(where: str, node: NodeFacts, names: Iterable[str], *, needed: bool) -> Iterator[Reason]:
    for name in names:
        daemon = node.daemons.get(name, DaemonFacts())
        runs, starts = (one.version if one is not None else None for one in (daemon.running, daemon.disk))
        wrong = [text for text in (runs, starts) if text is not None and version_of(text) is None]
        for text in dict.fromkeys(wrong):
            yield _no_version(f"{name} on {where}", text)
        if needed and runs is None:
            yield Reason(
                f"{name} does not run on {where}, or nobody read which version of it",
                f"Start it, or take the node out of its role in the cluster file. {AGAIN}", "installed-running",
            )  # fmt: skip
        if not wrong and None not in (runs, starts) and version_of(runs) != version_of(starts):
            yield Reason(
                f"{where} runs {name} {version_of(runs)} but would start {version_of(starts)} on a reboot",
                f"End the run that left it so (kubedeb resume, kubedeb rollback), or install what runs. {AGAIN}",
                "installed-running",
            )


def _apart(where: str, node: NodeFacts) -> Iterator[Reason]:
    """Yield workers whose kube-proxy and kubelet, which move together, differ in their minor."""
    kubelet, proxy = (version_of(daemon.running.version) if (daemon := node.daemons.get(name)) and daemon.running else None
                      for name in TOGETHER)  # fmt: skip
    if kubelet is not None and proxy is not None and kubelet.line != proxy.line:
        yield Reason(
            f"{where} runs kube-proxy {proxy} beside a kubelet {kubelet}: they are moved together only",
            f"Bring the one that lags to the other's minor, node by node. {AGAIN}",
            "skew-proxy",
        )


def _unread(facts: Facts) -> Iterator[Reason]:
    """Yield clients and Tillers whose version is none."""
    for where, node in facts.nodes.items():
        for tool in TOOLS:
            if (text := node.tools.get(tool)) is not None and version_of(text) is None:
                yield _no_version(f"{tool} on {where}", text)
    for tiller in facts.kubernetes.tillers if facts.kubernetes else ():
        if version_of(tiller.version) is None:
            yield _no_version(f"the Tiller of {tiller.namespace}", tiller.version)


def _no_version(what: str, text: str) -> Reason:
    return Reason(f"{what} says that it is {text!r}, which is no version", "Put down the version that it has, as in 1.7.16.")

"""Starts from which no plan is made, and why: what versions alone do not tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from kubedeb.knowledge import Knowledge, Severity
from kubedeb.versions import Version
from upgrade_plans.models.nodefacts import PackageFacts
from upgrade_plans.models.nodesets import edges, fold, spread
from upgrade_plans.models.upgradekinds import Store
from upgrade_plans.models.upstream import upstream_of
from upgrade_plans.models.words import moment
from upgrade_plans.planner.reasons import AGAIN, Reason
from upgrade_plans.planner.whole.catalogue import configuration, procedures
from upgrade_plans.planner.whole.order import COMPONENTS, Order
from upgrade_plans.planner.whole.passes import needs
from upgrade_plans.planner.whole.survey import Survey

GIB = 1 << 30
COUNT = "kube-apiserver-apiserver-count"
PUBLISH = "The repository must publish it: kubedeb build {component}@{version}, then kubedeb repo add --publish."


def refusals(found: Survey, order: Order, seen: frozenset[str], knowledge: Knowledge) -> Iterator[Reason]:
    """Yield every reason why the plan of an order must not begin."""
    groups = {stage.move.group for stage in order.stages}
    if "apiservers" in groups:
        yield from _default_store(found, knowledge)
        yield from _pool(found)
        for row in procedures().refusals:
            if row.rule in seen:
                rule = knowledge.by_id[row.rule]
                yield Reason(rule.what, f"{rule.remedy} {AGAIN}", rule.id)
    if COUNT not in seen:
        yield from _endpoints(found, knowledge)
    if "storage" in groups:
        yield from _room(found)
    if any(stage.move.group == "calico" and stage.move.new.major > stage.move.old.major for stage in order.stages):
        yield from _left_behind(found)
    yield from _stays_blocked(found, groups, knowledge)
    yield from _packages(found, order)


def _default_store(found: Survey, knowledge: Knowledge) -> Iterator[Reason]:
    """Yield API servers that run on the v3 store by default while the data lies in the v2 store."""
    keys = found.facts.store
    if found.store is not Store.V3 or keys is None or "/registry" not in keys.v2_keys or "/registry" in keys.v3_keys:
        return
    guilty = [
        node for node in found.apiservers
        if (daemon := found.facts.of(node).daemons.get("kube-apiserver")) and daemon.running
        and "--storage-backend" not in daemon.running.arguments
    ]  # fmt: skip
    if guilty:
        rule = knowledge.by_id["kube-apiserver-etcd3-default"]
        yield Reason(f"{', '.join(guilty)}: {rule.what}", f"{rule.remedy} {AGAIN}", rule.id)


def _endpoints(found: Survey, knowledge: Knowledge) -> Iterator[Reason]:
    """Yield API servers that are told of another number of API servers than there are."""
    rule, servers = knowledge.by_id[COUNT], len(found.apiservers)
    for count in sorted(set(found.endpoint_counts.values()) - {servers}):
        nodes = fold(node for node, told in found.endpoint_counts.items() if told == count)
        what = f"{nodes} runs with --apiserver-count={count} and there are {servers}: they take each other's endpoints away"
        yield Reason(what, f"{rule.remedy} {AGAIN}", rule.id)


def _left_behind(found: Survey) -> Iterator[Reason]:
    """Yield nodes on which Calico stays, while its data moves to a store that it does not read."""
    at = found.at.get("calico", {})
    for crowd in (one for one in found.crowds if one.id in at and one.is_left(COMPONENTS["calico"])):
        why = "does not answer" if crowd.down else "is frozen"
        yield Reason(
            f"{crowd.folded} {why}, and would start Calico {at[crowd.id]} on data that has moved on",
            f"Mend it, lift its freeze, or take it out of the cluster. {AGAIN}", "calico-2.6.5-first",
        )  # fmt: skip


def _stays_blocked(found: Survey, groups: set[str], knowledge: Knowledge) -> Iterator[Reason]:
    """Yield members on a blocked version, where something else is to move and they are to stay on it."""
    for version in sorted(set(found.at.get("etcd", {}).values())) if groups and "etcd" not in groups else ():
        for rule in knowledge.blocked("etcd", version)[:1]:
            if rule.severity is Severity.FORBID:
                nodes = ", ".join(node for node, runs in sorted(found.at["etcd"].items()) if runs == version)
                yield Reason(f"{nodes} runs etcd {version}: {rule.what}", f"{rule.remedy} {AGAIN}", rule.id)


def _pool(found: Survey) -> Iterator[Reason]:
    """Yield pools of API servers that cannot spare one."""
    for name, pool in found.cluster.balancers.items():
        if not set(pool.nodes) & set(found.apiservers):
            continue
        left, threshold = (len(pool.nodes) - 1) / len(pool.nodes), float(pool.depool_threshold)
        if left < threshold:
            yield Reason(
                f"pool {name} keeps at least {threshold:g} of its {len(pool.nodes)} servers, and without one it has {left:.2g}:"
                " no API server can be taken out",
                f"Lower depool_threshold to {int(left * 100) / 100:g}, or add a server. {AGAIN}", "lb-threshold",
            )  # fmt: skip


def _room(found: Survey) -> Iterator[Reason]:
    """Yield members whose disks do not hold the data twice and a copy of it."""
    for member in found.facts.etcd:
        if member.data_bytes is not None and member.disk_free is not None and member.disk_free < 2 * member.data_bytes:
            yield Reason(
                f"{member.node} has {member.disk_free / GIB:.1f} GiB free; the migration doubles"
                f" {member.data_bytes / GIB:.1f} GiB of data and needs a copy of it",
                f"Free {(2 * member.data_bytes - member.disk_free) / GIB:.1f} GiB, or compact first. {AGAIN}", "disk",
            )  # fmt: skip


def _packages(found: Survey, order: Order) -> Iterator[Reason]:
    """Yield versions on the way that apt does not offer where it was asked; what nobody read is not known."""
    packages = {row.component: row.packages for row in configuration().files}
    wanted: dict[str, set[Version]] = {}
    for stage in order.stages:
        for component in COMPONENTS[stage.move.group]:
            wanted.setdefault(component, set()).update((stage.move.old, stage.move.new))
    for component, versions in sorted(wanted.items()):
        for package in packages.get(component, ()):
            offers = dict(_offers(found, package))
            for version in sorted(versions):
                lacking = [where for where, offered in offers.items() if version not in offered]
                if lacking:
                    yield Reason(
                        f"{package} {version} is in no repository that {', '.join(lacking[:3])} can install from",
                        f"{PUBLISH.format(component=component, version=version)} {AGAIN}",
                        "packages",
                    )  # fmt: skip


def _offers(found: Survey, package: str) -> Iterator[tuple[str, set[Version]]]:
    for where, node in found.facts.nodes.items():
        here: PackageFacts | None = node.packages.get(package)
        if here is not None and here.available:
            yield where, {version for one in here.available if (version := upstream_of(one.version))}


def expiring(found: Survey, p95: float, back: float) -> Iterator[Reason]:
    """Yield certificates that end before the plan does, at its 95th percentile, or before the way back from its end would."""
    begin = moment(found.facts.read_at)
    end = begin + min(timedelta(seconds=p95 + back), datetime.max.replace(tzinfo=UTC) - begin)
    for where, node in found.facts.nodes.items():
        for one in node.certificates:
            if (until := moment(one.not_after)) < end:
                yield Reason(
                    f"{one.path} on {where} ends on {until:%Y-%m-%d %H:%M},"
                    f" and the plan with its way back may last until {end:%Y-%m-%d %H:%M}",
                    f"Renew it and restart what has it loaded. {AGAIN}", "certs",
                )  # fmt: skip


def remarks(found: Survey) -> Iterator[tuple[str, str, str]]:
    """Yield (severity, what, remedy) of what the operator should know of the cluster's shape."""
    racks: dict[tuple[str, str], list[str]] = {}
    for node in found.cluster.members:
        racks.setdefault(found.cluster.place(node), []).append(node)
    for (row, rack), nodes in sorted(racks.items()):
        if len(nodes) > 1:
            yield ("force", f"rack {rack} of row {row} holds {' and '.join(nodes)}: its loss takes {len(nodes)} of "
                   f"{len(found.cluster.members)} members", "Move members so that each rack holds one.")  # fmt: skip
    yield from _one_row(found)
    yield from _a_row_less(found)


def _a_row_less(found: Survey) -> Iterator[tuple[str, str, str]]:
    """Yield taint groups whose pods have no room once a row is lost while one node is away; `row_loss` would refuse that."""
    for group, need in needs(found).items() if not found.cluster.constraints.row_loss else ():
        here = [need.loads[crowd.id] * crowd.count for crowd in found.crowds if crowd.id in need.loads]
        left = sum(here) - need.row - max(need.loads.values())
        if 0 < need.row < sum(here) and left < need.requested + need.largest:
            who = f"workers of the taint group {group}" if group else "workers"
            yield ("warn", f"the loss of a row while one node is away leaves the {who} less {need.resource} than is asked for",
                   "Know it, or ask for it: row_loss in the constraints of the cluster file.")  # fmt: skip


def _one_row(found: Survey) -> Iterator[tuple[str, str, str]]:
    """Yield services all of whose pods are in one row."""
    workers = {node: crowd.traits.row for crowd in found.crowds for node in crowd.nodes}
    rows = {crowd.traits.row for crowd in found.crowds}
    where: dict[str, set[str]] = {}
    for one in found.facts.kubernetes.workloads if found.facts.kubernetes and len(rows) > 1 else ():
        if one.service is None or one.replicas < 2:
            continue
        here = where.setdefault(one.service, set())
        for placed in one.pods:
            if len(here) < 2:
                here |= _rows(placed.nodes, workers)
    for service, here in sorted(where.items()):
        if len(here) == 1:
            yield ("warn", f"every pod of {service} is in row {next(iter(here))}: the row's loss ends the service",
                   "Spread it over rows (anti-affinity) before its nodes are emptied.")  # fmt: skip


def _rows(nodes: str, workers: Mapping[str, str]) -> set[str]:
    """Return rows of workers in a node set: all of them, or the first two that are met, which is enough."""
    found: set[str] = set()
    for name in edges(nodes):
        if name in workers:
            found.add(workers[name])
        if len(found) > 1:
            return found
    return {workers[name] for name in spread(nodes) if name in workers}

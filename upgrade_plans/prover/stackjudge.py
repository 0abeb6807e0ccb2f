"""The invariants of docs/semantics.md, section 9, on vectors of counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kubedeb.versions import Version
from upgrade_plans.models.stackplan import Via
from upgrade_plans.prover.stackcase import StackCase
from upgrade_plans.prover.stackmachine import NOTHING, Local, StackMachine, StackState
from upgrade_plans.prover.stackskew import Skew

Clause = tuple[str, str]
"""An invariant's id and which part of it."""
SAYS: dict[Clause, str] = {
    ("skew-apiserver", "pair"): "two API servers are more than one minor apart",
    ("skew-kubelet", "pair"): "a kubelet is newer than an API server that runs or would start, or too far behind it",
    ("skew-proxy", "pair"): "a kube-proxy is newer than an API server that runs or would start, or too far behind it",
    ("skew-proxy", "node"): "kube-proxy and kubelet of one node differ in their minor at rest",
    ("skew-managers", "pair"): "managers are newer than an API server that they may speak to, or too far behind it",
    ("installed-running", "rest"): "a unit runs another release than the one on disk although nothing is in hand",
    ("installed-running", "other"): "a unit that is not in hand runs another release than the one on disk",
    ("capacity", "floor"): "fewer nodes of a taint group are available than it needs",
    ("capacity", "spare"): "one more node lost would leave a taint group too few, and the plan need not have gone there",
    ("lb-threshold", "below"): "the servers in the pool are below the balancer's threshold",
    ("lb-threshold", "spare"): "one more server lost would be too many for the pool, and the plan need not have gone there",
    ("bgp-up", "row"): "more nodes of a row are without their BGP sessions than allowed",
    ("no-dead-end", "stuck"): "neither the end nor the way back can be reached from here",
    ("reaches-end", "endless"): "no way leads from the plan's start to its end",
}  # fmt: skip
MANAGERS = ("kube-controller-manager", "kube-scheduler")


class StackJudge:
    """Judges states; counts levels and exposures by step and fault class."""

    def __init__(self, machine: StackMachine, skew: Skew) -> None:
        self.machine, self.case, self.skew = machine, machine.case, skew
        self.levels: Counter[str] = Counter()
        self.exposures: Counter[tuple[str, str]] = Counter()

    def judge(self, state: StackState) -> list[Clause]:
        """Count a state in and return the clauses that it violates."""
        weight = self.machine.weight(state)
        held = any(self.machine.in_hand(state, number) for number in range(len(self.case.classes)))
        level = "F" if state.fault != ("", "") else "N" if held else "R"
        self.levels[level] += weight
        broken = [*self._skew(state), *self._installed(state, level)]
        if level == "R":
            broken += self._proxies(state)
        if level != "F":
            broken += [*self._capacity(state, weight), *self._balancer(state, weight), *self._bgp(state)]
        return list(dict.fromkeys(broken))

    def locals(self, state: StackState, number: int) -> list[Local]:
        """Return the local states of a class that some unit is in, a frozen one's too."""
        found = [local for local, _ in state.counts[number]]
        return [*found, state.frozen[1]] if state.frozen is not None and state.frozen[0] == number else found

    def _versions(self, state: StackState, number: int, daemon: int = 0) -> set[Version]:
        """Return the versions of a daemon of a class, running or on disk."""
        return {release[daemon] for disk, run, _ in self.locals(state, number) for release in (disk, run) if release != NOTHING}

    def _skew(self, state: StackState) -> Iterator[Clause]:
        servers = {number: self._versions(state, number) for number in self.case.apiservers}
        every = {version for versions in servers.values() for version in versions}
        if self.skew.broken(["kube-apiserver"], every, every):
            yield "skew-apiserver", "pair"
        by_host = {self.case.classes[number].host: versions for number, versions in servers.items()}
        for number, one in enumerate(self.case.classes):
            if one.kind == "workers":
                if self.skew.broken(["kubelet"], self._versions(state, number), every):
                    yield "skew-kubelet", "pair"
                if self.skew.broken(["kube-proxy"], self._versions(state, number, 1), every):
                    yield "skew-proxy", "pair"
            elif one.kind == "managers":
                beside = self.case.plan.servers[one.host].via is Via.BESIDE
                if self.skew.broken(MANAGERS, self._versions(state, number), by_host[one.host] if beside else every):
                    yield "skew-managers", "pair"

    def _proxies(self, state: StackState) -> Iterator[Clause]:
        for number, one in enumerate(self.case.classes):
            runs = [run for _, run, _ in self.locals(state, number) if run != NOTHING and one.kind == "workers"]
            if any(kubelet.line != proxy.line for kubelet, proxy in runs):
                yield "skew-proxy", "node"

    def _installed(self, state: StackState, level: str) -> Iterator[Clause]:
        for number in range(len(self.case.classes)):
            differ = [hand for disk, run, hand in self.locals(state, number) if run not in (NOTHING, disk)]
            if not all(differ):
                yield "installed-running", "rest" if level == "R" else "other"

    def _capacity(self, state: StackState, weight: int) -> Iterator[Clause]:
        for taints, numbers in self.case.groups.items():
            needed = self.case.plan.needed.get(taints, 0)
            available = self.machine.available(state, numbers)
            held = sum(self.machine.in_hand(state, number) for number in numbers)
            if available < needed:
                yield "capacity", "floor"
            if held and available and available - 1 < needed:
                if held > 1:
                    yield "capacity", "spare"
                else:
                    self.exposures[self._step(state), "node"] += weight

    def _balancer(self, state: StackState, weight: int) -> Iterator[Clause]:
        servers, threshold = self.case.apiservers, self.case.plan.pool.threshold
        available = self.machine.available(state, servers)
        held = sum(self.machine.in_hand(state, number) for number in servers)
        if available / len(servers) < threshold:
            yield "lb-threshold", "below"
        if held and available and (available - 1) / len(servers) < threshold:
            if held > 1:
                yield "lb-threshold", "spare"
            else:
                self.exposures[self._step(state), "host"] += weight

    def _bgp(self, state: StackState) -> Iterator[Clause]:
        limit = self.case.plan.bgp
        if self.machine.finished(state) or limit is None or not self.case.steps[state.step].step.bgp:
            return
        rows: Counter[str] = Counter()
        for number, one in enumerate(self.case.classes):
            if one.kind == "workers":
                rows[one.row] += self.machine.in_hand(state, number)
        if any(count > limit for count in rows.values()):
            yield "bgp-up", "row"

    def _step(self, state: StackState) -> str:
        return "" if self.machine.finished(state) else self.case.steps[state.step].step.id


def findings(case: StackCase) -> list[str]:
    """Return what the facts have and the plan did not make: rows whose loss leaves a taint group below what it needs."""
    found = []
    for taints, numbers in case.groups.items():
        needed = case.plan.needed.get(taints, 0)
        rows: Counter[str] = Counter()
        for number in numbers:
            if not case.classes[number].down:
                rows[case.classes[number].row] += case.classes[number].count
        for row, count in sorted(rows.items()):
            if needed and rows.total() - count < needed:
                name = f"taint group {taints}" if taints else "the untainted nodes"
                found.append(
                    f"row {row} holds {count} of {rows.total()} of {name}: its loss leaves fewer than the {needed} needed"
                )
    return found

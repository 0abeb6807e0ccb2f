"""Each step judged at its worst, without counting states: docs/semantics.md, section 10, bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kubedeb.versions import Version
from upgrade_plans.models.stackplan import StackCheck, StackKind, Via
from upgrade_plans.prover.stackcase import CompiledStep, Release, StackCase
from upgrade_plans.prover.stackjudge import MANAGERS, Clause
from upgrade_plans.prover.stackskew import Skew

Found = tuple[Clause, str | None]
"""A violated clause and the step that it is met in, None for the end."""


class Bounds:
    """Goes through the steps, with what is on disk or running anywhere before each."""

    def __init__(self, case: StackCase, skew: Skew) -> None:
        self.case, self.skew = case, skew
        self.exposures: set[tuple[str, str]] = set()
        self._there = [Counter({one.running: one.count}) for one in case.classes]
        self._differ = [one.installed != one.running and not one.down for one in case.classes]
        self._whole = {
            taints: sum(case.classes[number].count for number in numbers if not case.classes[number].down)
            for taints, numbers in case.groups.items()
        }  # fmt: skip
        self._kubelets: Counter[Version] = Counter()
        self._proxies: Counter[Version] = Counter()
        for one in case.classes:
            if one.kind == "workers":
                for release in {one.installed, one.running} if not one.down else {one.installed}:
                    self._hold(release, 1)

    def _hold(self, release: Release, change: int) -> None:
        self._kubelets[release[0]] += change
        self._proxies[release[1]] += change

    def violations(self) -> Iterator[Found]:
        """Yield every violation; call once."""
        for here in (*self.case.steps, None):
            name = here.step.id if here is not None else None
            if here is None or not self._moves(here):
                yield from ((clause, name) for clause in self._at_rest())
                if here is None:
                    return
                continue
            yield from ((clause, name) for clause in self._at_rest())
            able = [number for number in here.takes if self._may(here, number)]
            if able:
                self._enter(here, able)
                yield from ((clause, name) for clause in (*self._skew(), *self._worst(here, able)))
            if len(able) < len(here.takes):
                yield ("reaches-end", "endless"), name
                if able and not here.step.undo:
                    yield ("no-dead-end", "stuck"), name
                return
            self._leave(here)

    @staticmethod
    def _moves(here: CompiledStep) -> bool:
        return here.step.kind is not StackKind.DOWNLOAD

    # Which releases are there.

    def _enter(self, here: CompiledStep, able: list[int]) -> None:
        for number in able:
            if self.case.classes[number].kind == "workers" and not self._there[number][here.forward]:
                self._hold(here.forward, 1)
            self._there[number][here.forward] += here.takes[number]

    def _leave(self, here: CompiledStep) -> None:
        for number, count in here.takes.items():
            old = next(release for release in self._there[number] if release[0] == here.back[0] and release != here.forward)
            self._there[number][old] -= count
            if not self._there[number][old]:
                del self._there[number][old]
                if self.case.classes[number].kind == "workers":
                    self._hold(old, -1)

    def _of(self, number: int) -> set[Version]:
        one = self.case.classes[number]
        found = {release[0] for release in self._there[number]}
        return found | {one.installed[0]} if self._differ[number] else found

    def _skew(self) -> Iterator[Clause]:
        servers = {self.case.classes[number].host: self._of(number) for number in self.case.apiservers}
        every = {version for versions in servers.values() for version in versions}
        if self.skew.broken(["kube-apiserver"], every, every):
            yield "skew-apiserver", "pair"
        if self.skew.broken(["kubelet"], +self._kubelets, every):
            yield "skew-kubelet", "pair"
        if self.skew.broken(["kube-proxy"], +self._proxies, every):
            yield "skew-proxy", "pair"
        for number, one in enumerate(self.case.classes):
            if one.kind == "managers":
                beside = self.case.plan.servers[one.host].via is Via.BESIDE
                if self.skew.broken(MANAGERS, self._of(number), servers[one.host] if beside else every):
                    yield "skew-managers", "pair"

    def _at_rest(self) -> Iterator[Clause]:
        """Yield what a state with nothing in hand violates."""
        yield from self._skew()
        if any(self._differ):
            yield "installed-running", "rest"
        lines = [
            release for number, there in enumerate(self._there) if self.case.classes[number].kind == "workers"
            and not self.case.classes[number].down for release in there
        ]  # fmt: skip
        if any(kubelet.line != proxy.line for kubelet, proxy in lines):
            yield "skew-proxy", "node"
        for taints, whole in self._whole.items():
            if whole < self.case.plan.needed.get(taints, 0):
                yield "capacity", "floor"

    # How many are in hand at most.

    def _may(self, here: CompiledStep, number: int) -> bool:
        """Say whether a unit of a class may be taken in hand while none is."""
        one = self.case.classes[number]
        if StackCheck.FLOOR in here.step.pre and one.kind == "workers":
            return self._whole[one.taints] - 1 >= self.case.plan.needed.get(one.taints, 0)
        if StackCheck.BALANCER in here.step.pre and one.kind == "apiserver":
            servers = len(self.case.apiservers)
            return (servers - 1) / servers >= self.case.plan.pool.threshold
        return True

    def _most(self, here: CompiledStep, numbers: list[int]) -> int:
        """Return how many units of some classes may be in hand at once by window, rows and quotas."""
        rows: Counter[str] = Counter()
        for number in numbers:
            rows[self.case.classes[number].row] += here.takes[number]
        limit = here.step.per_row
        return min(here.step.window, sum(count if limit is None else min(limit, count) for count in rows.values()))

    def _worst(self, here: CompiledStep, able: list[int]) -> Iterator[Clause]:
        plan = self.case.plan
        if here.step.kind is StackKind.APISERVER:
            yield from self._of_pool(here)
        if here.step.kind is not StackKind.WORKERS:
            return
        rows: dict[str, list[int]] = {}
        groups: dict[str, list[int]] = {}
        for number in able:
            rows.setdefault(self.case.classes[number].row, []).append(number)
            groups.setdefault(self.case.classes[number].taints, []).append(number)
        for taints, numbers in groups.items():
            yield from self._of_group(here, taints, numbers)
        if here.step.bgp and plan.bgp is not None:
            # The floor check may stop a row earlier than its window does.
            by_group = {row: sum(self._allowed(here, taints, self._in(numbers, taints)) for taints in groups)
                        for row, numbers in rows.items()}  # fmt: skip
            if any(min(self._most(here, numbers), by_group[row]) > plan.bgp for row, numbers in rows.items()):
                yield "bgp-up", "row"

    def _in(self, numbers: list[int], taints: str) -> list[int]:
        return [number for number in numbers if self.case.classes[number].taints == taints]

    def _allowed(self, here: CompiledStep, taints: str, numbers: list[int]) -> int:
        """Return how many nodes of a taint group may be in hand at once, of some of its classes."""
        most = self._most(here, numbers) if numbers else 0
        if StackCheck.FLOOR not in here.step.pre or most < 2:
            return most
        spare = self._whole[taints] - self.case.plan.needed.get(taints, 0)
        return min(most, max(1, spare - 1))

    def _of_group(self, here: CompiledStep, taints: str, numbers: list[int]) -> Iterator[Clause]:
        whole, needed = self._whole[taints], self.case.plan.needed.get(taints, 0)
        most = self._allowed(here, taints, numbers)
        if whole - most < needed:
            yield "capacity", "floor"
        if whole > 1 and whole - 2 < needed:
            self.exposures.add((here.step.id, "node"))
        # Two or more in hand, nothing to spare, and a node still there that could be lost.
        held = min(most, whole - 1)
        if held >= 2 and whole - held - 1 < needed:
            yield "capacity", "spare"

    def _of_pool(self, here: CompiledStep) -> Iterator[Clause]:
        servers, threshold = len(self.case.apiservers), self.case.plan.pool.threshold
        if (servers - 1) / servers < threshold:
            yield "lb-threshold", "below"
        if servers > 1 and (servers - 2) / servers < threshold:
            self.exposures.add((here.step.id, "host"))

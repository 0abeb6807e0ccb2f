"""The invariants of docs/semantics.md, 15, said plainly: what a state violates by what runs in it, and no rows are asked."""

from __future__ import annotations

from kubedeb.versions import Version
from upgrade_plans.models.upgrade import Step, Upgrade
from wholeoracle_words import ACTS, MANAGERS, MOVE, NAMES, TOUCH, WORKERS, Around, Daemon, Key, Lines, State

GONE = {("kubelet", "--require-kubeconfig"): 10}
"""Flags that are refused from this minor of Kubernetes 1 on."""
EARLY = {("kube-apiserver", "--endpoint-reconciler-type"): 9}
"""Flags that are refused before it, unless the component had them at the start."""
BAD = (Version(3, 5, 0), Version(3, 5, 2))
"""The first and the last blocked version of etcd."""
Run = dict[Key, Daemon]


class Judge:
    """Judges states of a plan; `broken` is what was violated in any of them."""

    def __init__(self, plan: Upgrade, keys: list[Key], groups: set[str]) -> None:
        self.plan, self.steps, self.keys, self.groups = plan, plan.steps, keys, groups
        self.broken: set[str] = set()
        self.apis = [key for key in keys if key[0] == "kube-apiserver"]
        self.members = [key for key in keys if key[0] == "etcd"]
        self.holds = any(step.kind == "hold-config" for step in plan.steps)
        self.loopback = plan.managers_reach == "loopback"
        self.given: set[tuple[str, Version, Lines]] = set()
        self.had: set[tuple[str, str]] = set()

    def begin(self, first: State) -> None:
        """Note how everything starts: what is so already is no plan's doing."""
        pairs = list(zip(self.keys, first.daemons, strict=True))
        self.given = {(name, one.disk, one.lines) for (name, _), one in pairs}
        self.had = {(name, flag) for name, _, lines in self.given for flag, _ in lines}

    def judge(self, state: State, here: Around, *, over: bool, hand: frozenset[int]) -> None:
        """Note what a state violates."""
        run = {key: one for key, one in zip(self.keys, state.daemons, strict=True) if one.run is not None}
        step = None if over else self.steps[state.step]
        for key, server in run.items():
            if key[0] == "kube-apiserver":
                self._server(state, run, key, server, here)
        self._beside(state, run)
        self._settings(run)
        self._members(state, run)
        self._calico(state, run, step, here)
        self._blocked(state, run, step)
        if step is not None and any(state.stages):
            self._data(state, run, step, here)
            handled = step.kind in TOUCH or step.kind in ACTS or step.kind in ("calico-controllers", "clients")
            if handled and self.holds and not here.held:
                self.broken.add("config-owner")
        if not state.fault:
            self._service(state, run, step, here, {self.keys[number] for number in hand})

    # Versions beside each other.

    def _server(  # noqa: C901 - the page's rows, one after the other
        self, state: State, run: Run, key: Key, server: Daemon, here: Around
    ) -> None:
        minor = _minor(server)
        for other, one in run.items():
            behind, name = minor - _minor(one), other[0]
            if name == "kube-apiserver" and abs(behind) > 1:
                self.broken.add("skew-apiserver")
            if name in WORKERS and not 0 <= behind <= (3 if _minor(one) >= 25 else 2):
                self.broken.add("skew-kubelet" if name == "kubelet" else "skew-proxy")
            reached = other[1] == key[1] or not self.loopback
            if name in MANAGERS and reached and not 0 <= behind <= 1:
                self.broken.add("skew-managers")
        for wrote in state.wrote:
            if minor < wrote.minor - 1 or (wrote.minor >= 10 and minor == 9 and server.run and server.run.patch < 6):
                self.broken.add("storage-readable")
        leads = any(name == MANAGERS[0] for name, _ in run)
        if leads and "stale" in state.facts:
            self.broken.add("no-mass-eviction")
        if state.newest and server.used != state.newest:
            self.broken.add("etcd-store")
        if server.used == "v2" and "gone /registry" in state.facts:
            self.broken.add("etcd-store")
        if server.used == "v3" and "migrated" in state.facts and "compared" not in state.facts:
            self.broken.add("store-agree")
        since = any(one.startswith("since ") for one in state.facts)
        if since and state.newest == "v3" and (leads or "apiservers" not in here.excused):
            self.broken.add("watch-continuity")

    def _beside(self, state: State, run: Run) -> None:
        lines = [one.run.line for key, one in run.items() if key[0] == "etcd" and one.run is not None]
        calicos = [one.run for key, one in run.items() if key[0] == "calico-node" and one.run is not None]
        if any(line < (3, 0) for line in lines) and any(version.major >= 3 for version in calicos):
            self.broken.add("calico-datastore")
        if state.newest in ("v3", "both") and any(line < (3, 0) for line in lines):
            self.broken.add("etcd-store")
        if state.newest == "v2" and any(line >= (3, 2) for line in lines):
            self.broken.add("etcd-store")

    def _settings(self, run: Run) -> None:
        for (name, _), one in run.items():
            if not one.live or one.run is None or (name, one.run, one.live) in self.given:
                continue
            for flag, _ in one.live:
                gone, early = GONE.get((name, flag)), EARLY.get((name, flag))
                if (gone is not None and one.run.minor >= gone) or (
                    early is not None and one.run.minor < early and (name, flag) not in self.had
                ):
                    self.broken.add("flags-legal")
        for name in MANAGERS:
            here = [one for key, one in run.items() if key[0] == name]
            if len(here) > 1 and any(("--leader-elect", "false") in one.live for one in here):
                self.broken.add("leader-one")

    # etcd and the data.

    def _members(self, state: State, run: Run) -> None:
        following = {(2, 3): (3, 0)}.get(state.cluster, (state.cluster[0], state.cluster[1] + 1))
        lines = {key: one.run.line for key, one in run.items() if key[0] == "etcd" and one.run is not None}
        for key, line in lines.items():
            lags = line > state.cluster and any(other < state.cluster for name, other in lines.items() if name != key)
            if line < state.cluster or line > following or lags:
                self.broken.add("etcd-hop")

    def _data(  # noqa: C901 - the same
        self, state: State, run: Run, step: Step, here: Around
    ) -> None:
        if state.direction != "forward":
            return
        named = {block.backup for block in step.blocks if block.backup}
        if any(f"proven {backup}" not in state.facts for backup in named):
            self.broken.add("snapshot")
        held = {str(store) for one in self.steps if one.id in named and one.backup for store in one.backup.stores}
        if step.blocks and not self._endangered(state, step, here) <= held:
            self.broken.add("snapshot")
        if step.kind == "etcd-hop":
            self._hop(state, run, step)
        if step.kind != "migrate":
            return
        if not here.closed or any(name in ("kube-apiserver", "etcd") for name, _ in run):
            self.broken.add("write-stop")
        if "sentinel" not in state.facts:
            self.broken.add("watch-continuity")
        if "cold" not in state.facts:
            self.broken.add("snapshot")
        if here.calico == "after" or self.plan.stores.calico == "v3":
            self.broken.add("calico-datastore")
        if step.with_ttl or set(step.takes) != {where for _, where in self.members}:
            self.broken.add("store-agree")

    def _endangered(self, state: State, step: Step, here: Around) -> set[str]:
        if step.kind == "delete-keys":
            return {str(step.store)} if step.store else set()
        if step.kind != "etcd-hop":
            return set()
        used = {"v2", "v3"} if state.newest == "both" else {state.newest} - {""}
        calico = "v3" if here.calico == "after" and self.plan.stores.calico else self.plan.stores.calico
        return used | ({str(calico)} if calico else set())

    def _hop(self, state: State, run: Run, step: Step) -> None:
        """The last member of a hop raises the cluster version: its step must say that this blocks the way back."""
        lines = [one.run.line for key, one in run.items() if key[0] == "etcd" and one.run is not None]
        raised = len(lines) == len(self.members) and min(lines, default=state.cluster) > state.cluster
        if raised and step.to and min(lines) == Version.parse(step.to).line and not step.blocks:
            self.broken.add("snapshot")

    # Calico, blocked versions.

    def _calico(self, state: State, run: Run, step: Step | None, here: Around) -> None:
        versions = [one.run for key, one in run.items() if key[0] == "calico-node" and one.run is not None]
        if here.calico == "before" and self.plan.stores.calico == "v2" and any(one.major >= 3 for one in versions):
            self.broken.add("calico-datastore")
        if here.calico == "after" and any(one.major < 3 for one in versions):
            self.broken.add("calico-datastore")
        if step is None or not any(state.stages) or here.calico != "open":
            return
        if step.kind == "calico-start":
            old = any(one < Version(2, 6, 5) for one in versions)
            if old or "left" in state.facts or not here.frozen:
                self.broken.add("calico-datastore")
            return
        names = NAMES.get(step.component, (step.component,))
        restarts = step.kind in ("restart", "config", "stop", "start") and "kubelet" in names
        if restarts or step.drains or step.kind in ("workers", "probe", "tillers"):
            self.broken.add("calico-datastore")

    def _blocked(self, state: State, run: Run, step: Step | None) -> None:
        there = any(key[0] == "etcd" and one.run is not None and bad(one.run) for key, one in run.items())
        begun = step is not None and any(state.stages)
        moves = begun and step is not None and (step.kind in MOVE or step.kind in ("calico-controllers", "clients")) and step.to
        if there and step is None and state.direction == "forward":
            self.broken.add("blocked")
        if moves and step is not None and step.to:
            if step.kind == "etcd-hop" and bad(Version.parse(step.to)):
                self.broken.add("blocked")
            if there and step.kind != "etcd-hop":
                self.broken.add("blocked")

    # Who serves, and the end.

    def _service(self, state: State, run: Run, step: Step | None, here: Around, hand: set[Key]) -> None:
        if step is None:
            self._end(state, here, run)
        members = sum(key in run and key not in hand for key in self.members)
        few = len(self.members) > 1 and members <= len(self.members) // 2
        if "etcd" not in here.excused and (few or len(self.members) - members > 1):
            self.broken.add("etcd-quorum")
        if "apiservers" in here.excused or len(self.apis) < 2:
            return
        pooled = [key for key in self.apis if key in run and key not in hand and key[1] not in here.out]
        balancer = self.plan.balancer
        if not pooled:
            self.broken.add("outage")
        if balancer is None:
            return
        if len(pooled) / len(self.apis) < balancer.threshold or any(
            key in hand and key[1] not in here.out for key in self.apis
        ):
            self.broken.add("lb-threshold")

    def _end(self, state: State, here: Around, run: Run) -> None:
        if not here.rests:
            self.broken.add("dwell")
        if state.direction == "forward":
            if here.held or here.frozen or here.away:
                self.broken.add("dwell")
            if any(one.run != one.disk for one in run.values()):
                self.broken.add("installed-running")


def bad(version: Version) -> bool:
    """Say whether a version of etcd is blocked."""
    return BAD[0] <= version <= BAD[1]


def _minor(one: Daemon) -> int:
    return 0 if one.run is None else one.run.minor

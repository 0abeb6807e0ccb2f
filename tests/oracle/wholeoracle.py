"""The brute-force twin of the prover of whole plans: every act inside a step, every fault and repair, judged by what runs.

Written from docs/model.md, part three, apart from the prover: it keeps what each daemon runs and has on disk and changes that
act by act, where the prover looks up what lies before and after a step; it visits reboots and crashes, where the prover judges
what would start. For small plans of API servers, managers, workers, etcd and the move of Kubernetes' data; no Calico.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from kubedeb.versions import Version
from upgrade_plans.models.upgrade import Step, Upgrade

MANAGERS = ("kube-controller-manager", "kube-scheduler")
MOVE = {"apiserver": ("kube-apiserver",), "managers": MANAGERS, "workers": ("kubelet", "kube-proxy"), "etcd-hop": ("etcd",)}
TOUCH = {**MOVE, "migrate": ("etcd",), "switch-store": ("kube-apiserver",)}
NAMES = {"managers": MANAGERS, "workers": ("kubelet", "kube-proxy")}
ACTS = {
    "stop": ("stop",), "start": ("start",), "restart": ("halt", "start"), "config": ("write", "halt", "start"),
    "switch-store": ("write",), "migrate": ("copy",),
}  # fmt: skip
MOVING = ("stop", "write", "install", "start")
BACK_TO = {"stop": ("start",), "start": ("stop",)}
Key = tuple[str, str]


class Daemon(NamedTuple):
    """What runs, what is on disk, whether a reboot starts nothing, the store on disk and the one in use."""

    run: Version | None
    disk: Version
    masked: bool
    store: str
    used: str
    last: Version


class State(NamedTuple):
    """A state: the program, the acts still to do by part, the daemons, what the world remembers, the fault."""

    direction: str
    step: int
    stages: tuple[int, ...]
    left: tuple[tuple[str, ...], ...]
    daemons: tuple[Daemon, ...]
    newest: str
    wrote: frozenset[Version]
    cluster: tuple[int, int]
    facts: frozenset[str]
    floor: int
    fault: str


class Oracle:
    """Explores a plan; `broken` is what is violated anywhere, `places` every (direction, step, stages) that is reached."""

    def __init__(self, plan: Upgrade) -> None:
        self.plan, self.steps = plan, plan.steps
        self.broken: set[str] = set()
        self.places: set[tuple[str, int, tuple[int, ...]]] = set()
        self.keys: list[Key] = [(name, host.node) for host in plan.hosts for name in host.daemons]
        self.keys += [(name, group.id) for group in plan.workers for name in ("kubelet", "kube-proxy")]
        self.groups = {group.id for group in plan.workers}
        self.apis = [number for number, key in enumerate(self.keys) if key[0] == "kube-apiserver"]
        self.members = [number for number, key in enumerate(self.keys) if key[0] == "etcd"]
        self.phases: dict[str, int] = {}
        number = 0
        for phase in plan.phases:
            number += len(phase.steps)
            self.phases[phase.id] = number

    # The start, and the parts of a step.

    def start(self) -> State:
        """Return the state that the plan begins in."""
        kept = self.plan.stores.kubernetes
        daemons = []
        found = {**{(name, host.node): one for host in self.plan.hosts for name, one in host.daemons.items()},
                 **{(name, group.id): one for group in self.plan.workers for name, one in group.daemons.items()}}  # fmt: skip
        for key in self.keys:
            version = Version.parse(str(found[key].running))
            daemons.append(Daemon(version, version, False, self._told(key), str(kept or ""), version))
        cluster = Version.parse(self.plan.cluster_version or "0.0.0").line
        state = State("forward", 0, (), (), tuple(daemons), str(kept or ""), frozenset(), cluster, frozenset(), 0, "")
        return self._at(state, "forward", 0, 0)

    def _told(self, key: Key) -> str:
        if key[0] != "kube-apiserver":
            return ""
        for one in self.plan.settings:
            names = {f"m{number}" for number in range(1, 9)} if "[" in one.nodes else {one.nodes}
            if one.component == key[0] and key[1] in names and "--storage-backend" in one.arguments:
                return "v2" if one.arguments["--storage-backend"] == "etcd2" else "v3"
        return "v3"

    def parts(self, step: Step) -> tuple[str, ...]:
        """Return what of a step goes together."""
        if step.kind not in TOUCH and step.kind not in ACTS:
            return ()
        hosts = tuple(name for name in step.takes if name not in self.groups)
        return hosts + (("",) if len(hosts) < len(step.takes) else ())

    def _of(self, step: Step, part: str) -> list[int]:
        names: tuple[str, ...] = NAMES.get(step.component, (step.component,))
        if step.kind in TOUCH:
            names = TOUCH[step.kind]
        places = [part] if part else [name for name in step.takes if name in self.groups]
        return [number for number, (name, where) in enumerate(self.keys) if name in names and where in places]

    def _at(self, state: State, direction: str, step: int, stage: int) -> State:
        count = max(1, len(self.parts(self.steps[step]))) if step < len(self.steps) else 0
        return state._replace(direction=direction, step=step, stages=(stage,) * count, left=((),) * count)

    # Moves.

    def explore(self, limit: int = 200_000) -> None:
        """Visit every state that can be reached."""
        first = self._settled(self.start())
        seen, waiting = {first}, [first]
        before: dict[State, list[State]] = {}
        while waiting:
            state = waiting.pop()
            if not state.fault:
                self.places.add((state.direction, state.step, state.stages))
            self._judge(state)
            for after, own in self._moves(state):
                if own:
                    before.setdefault(after, []).append(state)
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)
            if len(seen) > limit:
                raise OverflowError(len(seen))
        self._live(first, seen, before)

    def _live(self, first: State, seen: set[State], before: dict[State, list[State]]) -> None:
        ends = [state for state in seen if self._over(state)]
        if any(not state.fault for state in seen - _reaching(ends, before)):
            self.broken.add("no-dead-end")
        if first not in _reaching([state for state in ends if state.direction == "forward"], before):
            self.broken.add("reaches-end")

    def _over(self, state: State) -> bool:
        return state.direction == "ended" or state.step == len(self.steps)

    def _moves(self, state: State) -> Iterator[tuple[State, bool]]:
        yield from ((after, False) for after in self._faults(state))
        if self._over(state) or state.fault:
            return
        step = self.steps[state.step]
        parts = self.parts(step)
        yield from ((after, True) for after in self._acts(state, step, parts))
        begins, ends = (0, 2) if state.direction == "forward" else (2, 0)
        asked = step.pre if state.direction == "forward" else step.undo.pre if step.undo else ()
        if state.stages.count(1) < step.window and all(self._holds(check, state, step) for check in asked):
            for number, stage in enumerate(state.stages):
                if stage == begins:
                    yield self._begin(state, step, parts, number, ends), True
        elif not parts and state.direction == "back" and begins in state.stages:
            yield self._begin(state, step, parts, 0, ends), True
        yield from ((after, True) for after in self._on(state, step))

    def _begin(self, state: State, step: Step, parts: tuple[str, ...], number: int, ends: int) -> State:
        if not parts:
            after = state._replace(stages=(ends,))
            return self._settled(self._context(after, step) if ends == 2 else after, step)
        acts = ACTS.get(step.kind, MOVING)
        acts = BACK_TO.get(step.kind, acts) if state.direction == "back" else acts
        acts = ("none",) if step.kind == "migrate" and state.direction == "back" else acts
        left = (*state.left[:number], acts, *state.left[number + 1 :])
        stages = (*state.stages[:number], 1, *state.stages[number + 1 :])
        return self._settled(state._replace(stages=stages, left=left), step)

    def _acts(self, state: State, step: Step, parts: tuple[str, ...]) -> Iterator[State]:
        for number, stage in enumerate(state.stages):
            if stage != 1:
                continue
            if state.left[number]:
                act, *rest = state.left[number]
                left = (*state.left[:number], tuple(rest), *state.left[number + 1 :])
                yield self._settled(self._do(state, step, self._of(step, parts[number]), act)._replace(left=left), step)
            else:
                done = 2 if state.direction == "forward" else 0
                stages = (*state.stages[:number], done, *state.stages[number + 1 :])
                after = state._replace(stages=stages)
                if step.kind == "migrate" and all(one == 2 for one in stages) and state.newest == "v2":
                    after = after._replace(newest="both", facts=(after.facts | {"migrated", "since"}) - {"compared"})
                if step.kind == "restart" and step.component == "workers" and all(one == done for one in stages):
                    after = after._replace(facts=after.facts - {"since"})
                yield self._settled(after, step)

    def _do(self, state: State, step: Step, numbers: list[int], act: str) -> State:
        daemons = list(state.daemons)
        forward = state.direction == "forward"
        target = step.to if forward else step.from_
        for number in numbers:
            one = daemons[number]
            if act == "stop":
                one = one._replace(run=None, masked=True)
            elif act == "halt":
                one = one._replace(run=None)
            elif act == "install" and target is not None:
                one = one._replace(disk=Version.parse(target))
            elif act == "write":
                one = one._replace(store=self._written(step, one, forward=forward))
            elif act == "start":
                one = one._replace(run=one.disk, masked=False, used=one.store)
            daemons[number] = one
        return state._replace(daemons=tuple(daemons))

    def _written(self, step: Step, one: Daemon, *, forward: bool) -> str:
        for name in step.changes:
            for line in self.plan.changes[name].lines:
                if line.setting == "--storage-backend":
                    value = line.new if forward else line.old
                    return "v2" if value == "etcd2" else "v3"
        return one.store

    def _context(self, state: State, step: Step) -> State:
        facts = state.facts
        if step.kind == "sentinel":
            facts |= {"sentinel"}
        if step.kind == "compare" and "migrated" in facts and all(state.daemons[number].run for number in self.members):
            facts |= {"compared"}
        if step.kind == "backup" and step.backup is not None:
            still = not any(self._can(state, number) for number in (*self.members, *self.apis))
            facts |= {f"saved {step.id}"} | ({"cold"} if step.backup.cold and still else set())
        if step.kind == "drill":
            newest = {tuple(one.backup.stores): one.id for one in self.steps if one.backup and f"saved {one.id}" in facts}
            facts |= {f"proven {one}" for one in newest.values()}
        return state._replace(facts=facts)

    def _can(self, state: State, number: int) -> bool:
        one = state.daemons[number]
        return one.run is not None or not one.masked

    def _on(self, state: State, step: Step) -> Iterator[State]:
        if state.direction == "forward":
            if all(stage == 2 for stage in state.stages) and all(
                self._holds(check, state, step, post=True) for check in step.post
            ):
                yield self._settled(self._at(state, "forward", state.step + 1, 0))
            undone = step.undo is not None or step.kind not in (*MOVE, "config", "migrate", "switch-store", "delete-keys")
            if (not any(state.stages) or undone) and self._lowest(state) <= state.step:
                left = tuple(self._turned(step) if stage == 1 else () for stage in state.stages)
                yield state._replace(direction="back", left=left)
        elif all(stage == 0 for stage in state.stages):
            if state.step <= self._lowest(state):
                yield state._replace(direction="ended")
            else:
                yield self._settled(self._at(state, "back", state.step - 1, 2))

    def _turned(self, step: Step) -> tuple[str, ...]:
        return BACK_TO.get(step.kind, ("none",) if step.kind == "migrate" else ACTS.get(step.kind, MOVING))

    # The way back, and what lies around a step.

    def _lowest(self, state: State) -> int:
        found = state.step + 1
        for boundary in range(state.step, state.floor - 1, -1):
            if self._rests(boundary):
                found = boundary
            below = self.steps[boundary - 1] if boundary else None
            kinds = (*MOVE, "config", "migrate", "switch-store", "delete-keys")
            if below is not None and below.undo is None and below.kind in kinds and below.store != "v3":
                break
        return found

    def _rests(self, boundary: int) -> bool:
        around = self.around(boundary)
        return not (around["out"] or around["closed"] or around["outage"] or around["stopped"])

    @cache  # noqa: B019  # as long as the oracle of one plan
    def around(self, boundary: int) -> dict[str, set[str]]:
        """Return who is out of the pool or stopped, and whether clients are closed or an outage is open, before a step."""
        found: dict[str, set[str]] = {"out": set(), "closed": set(), "outage": set(), "stopped": set(), "excused": set()}
        until: dict[str, str] = {}
        for step in self.steps[:boundary]:
            keys = {f"{name}/{where}" for where in step.takes for name in NAMES.get(step.component, (step.component,))}
            match step.kind:
                case "depool":
                    found["out"] |= set(step.takes)
                case "repool":
                    found["out"] -= set(step.takes)
                case "stop":
                    found["stopped"] |= keys
                case "start":
                    found["stopped"] -= keys
                case "close-clients":
                    found["closed"].add("yes")
                case "open-clients":
                    found["closed"].clear()
            if step.outage is not None:
                until[step.outage.until] = step.id
                found["outage"].add(step.id)
            if step.id in until:
                found["outage"].discard(until[step.id])
        found["excused"] = {str(service) for step in self.steps[:boundary] if step.id in found["outage"] and step.outage
                            for service in step.outage.stops}  # fmt: skip
        return found

    def _here(self, state: State) -> dict[str, set[str]]:
        whole = bool(state.stages) and all(stage == 2 for stage in state.stages)
        return self.around(state.step + whole)

    def _holds(self, check: str, state: State, step: Step, *, post: bool = False) -> bool:
        serving = any(state.daemons[number].run is not None for number in self.apis)
        hand = {
            n for part, stage in zip(self.parts(step), state.stages, strict=False) if stage == 1 for n in self._of(step, part)
        }
        match check:
            case "members-healthy":
                return all(state.daemons[number].run is not None for number in self.members if number not in hand)
            case "cluster-version":
                wanted = step.to if post else step.from_
                return wanted is None or state.cluster == Version.parse(wanted).line
            case "backup-proven":
                return all(f"proven {block.backup}" in state.facts for block in step.blocks if block.backup)
            case "writers-stopped":
                return not any(self._can(state, number) for number in self.apis)
            case "members-equal":
                return "compared" in state.facts
            case "heartbeats-fresh" | "apis-complete" | "nodes-ready":
                return serving
            case _:
                return True

    # The world.

    def _settled(self, state: State, step: Step | None = None) -> State:
        facts, newest = state.facts, state.newest
        serving = [state.daemons[number] for number in self.apis if state.daemons[number].run is not None]
        asked = [*(step.pre if step and any(state.stages) else ())]
        if step is None and state.step and state.direction == "forward":
            asked = [*self.steps[state.step - 1].post]
        if step is not None and state.direction == "back" and step.undo is not None:
            asked = [*step.undo.pre]
        if "heartbeats-fresh" in asked and serving:
            facts -= {"stale"}
        if self.apis and not any(self._can(state, number) for number in self.apis):
            facts |= {"stale"}
        if any(self._can(state, number) for number in self.members):
            facts -= {"cold"}
        if any(self._can(state, number) for number in self.apis):
            facts -= {"sentinel"}
        if newest == "both" and serving:
            newest = serving[0].used
            facts = facts - {"migrated", "since"} if newest == "v2" else facts
        runs = [state.daemons[number].run for number in self.members]
        lines = [run.line for run in runs if run is not None]
        cluster = max(state.cluster, min(lines)) if lines and len(lines) == len(self.members) else state.cluster
        floor = state.floor
        if step is not None and step.blocks and 0 not in state.stages and state.direction == "forward":
            floor = max(floor, *(min(self.phases[block.state], state.step + 1) for block in step.blocks))
        wrote = state.wrote | {one.run for one in serving if one.run is not None}
        return state._replace(facts=facts, newest=newest, cluster=cluster, floor=floor, wrote=wrote)

    def _faults(self, state: State) -> Iterator[State]:
        """Yield a daemon's death, a host's or a group's; and the repair, which starts what is installed and not masked."""
        if not state.fault:
            for name, where in self.keys:
                yield self._hit(state, f"{name}/{where}", {(name, where)})
            for where in {where for _, where in self.keys}:
                yield self._hit(state, f"/{where}", {key for key in self.keys if key[1] == where})
            return
        name, where = state.fault.split("/")
        daemons = list(state.daemons)
        for number, key in enumerate(self.keys):
            one = daemons[number]
            if key[1] == where and name in ("", key[0]) and one.run is None and not one.masked:
                daemons[number] = one._replace(run=one.disk, used=one.store)
        yield self._settled(state._replace(daemons=tuple(daemons), fault=""))

    def _hit(self, state: State, fault: str, keys: set[Key]) -> State:
        hit = tuple(one._replace(run=None) if key in keys else one for key, one in zip(self.keys, state.daemons, strict=True))
        return state._replace(daemons=hit, fault=fault)

    # The invariants, plainly.

    def _judge(self, state: State) -> None:
        run = {key: one for key, one in zip(self.keys, state.daemons, strict=True) if one.run is not None}
        apis = [(key, one) for key, one in run.items() if key[0] == "kube-apiserver"]
        for key, server in apis:
            self._of_server(state, run, key, server, apis)
        self._of_members(state, run)
        self._of_move(state, run)
        if not state.fault:
            self._of_service(state, run)

    def _of_server(
        self, state: State, run: dict[Key, Daemon], key: Key, server: Daemon, apis: list[tuple[Key, Daemon]]
    ) -> None:
        minor = _minor(server)
        if any(abs(minor - _minor(other)) > 1 for _, other in apis):
            self.broken.add("skew-apiserver")
        if any(minor < wrote.minor - 1 for wrote in state.wrote):
            self.broken.add("storage-readable")
        for (name, where), other in run.items():
            behind = minor - _minor(other)
            if name in ("kubelet", "kube-proxy") and not 0 <= behind <= 2:
                self.broken.add("skew-kubelet" if name == "kubelet" else "skew-proxy")
            if name in MANAGERS and where == key[1] and not 0 <= behind <= 1:
                self.broken.add("skew-managers")
            if name == MANAGERS[0] and "stale" in state.facts:
                self.broken.add("no-mass-eviction")
        if state.newest and server.used != state.newest:
            self.broken.add("etcd-store")
        if server.used == "v3" and "migrated" in state.facts and "compared" not in state.facts:
            self.broken.add("store-agree")
        led = any(name == MANAGERS[0] for name, _ in run)
        if "since" in state.facts and state.newest == "v3" and (led or "apiservers" not in self._here(state)["excused"]):
            self.broken.add("watch-continuity")

    def _of_members(self, state: State, run: dict[Key, Daemon]) -> None:
        lines = [one.run.line for key, one in run.items() if key[0] == "etcd" and one.run is not None]
        if any(line < state.cluster or line > (state.cluster[0] + (state.cluster == (2, 3)), 99) for line in lines):
            self.broken.add("etcd-hop")

    def _of_move(self, state: State, run: dict[Key, Daemon]) -> None:
        step = self.steps[state.step] if state.step < len(self.steps) else None
        if step is None or state.direction != "forward" or not any(state.stages):
            return
        if any(block.backup and f"proven {block.backup}" not in state.facts for block in step.blocks):
            self.broken.add("snapshot")
        if step.kind != "migrate":
            return
        closed = bool(self._here(state)["closed"])
        if not closed or any(name in ("kube-apiserver", "etcd") for name, _ in run):
            self.broken.add("write-stop")
        if "sentinel" not in state.facts:
            self.broken.add("watch-continuity")
        if "cold" not in state.facts:
            self.broken.add("snapshot")
        if step.with_ttl or set(step.takes) != {self.keys[number][1] for number in self.members}:
            self.broken.add("store-agree")

    def _of_service(self, state: State, run: dict[Key, Daemon]) -> None:
        around = self._here(state)
        if self._over(state):
            if around["outage"] or around["out"] or around["closed"] or around["stopped"]:
                self.broken.add("dwell")
            return
        members = sum(key[0] == "etcd" for key in run)
        if "etcd" not in around["excused"] and len(self.members) > 1 and members < len(self.members) - 1:
            self.broken.add("etcd-quorum")
        if "apiservers" in around["excused"]:
            return
        pooled = [where for name, where in run if name == "kube-apiserver" and where not in around["out"]]
        if len(self.apis) > 1 and not pooled:
            self.broken.add("outage")
        balancer = self.plan.balancer
        if balancer is None or len(self.apis) < 2:
            return
        step = self.steps[state.step]
        hand = {
            n for part, stage in zip(self.parts(step), state.stages, strict=False) if stage == 1 for n in self._of(step, part)
        }
        if len(pooled) / len(self.apis) < balancer.threshold or any(
            number in hand and self.keys[number][1] not in around["out"] for number in self.apis
        ):
            self.broken.add("lb-threshold")


def _minor(one: Daemon) -> int:
    return 0 if one.run is None else one.run.minor


def _reaching(goals: list[State], before: dict[State, list[State]]) -> set[State]:
    reach, waiting = set(goals), list(goals)
    while waiting:
        for state in before.get(waiting.pop(), ()):
            if state not in reach:
                reach.add(state)
                waiting.append(state)
    return reach

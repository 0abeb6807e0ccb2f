"""The brute-force twin of the prover of whole plans: every act inside a step, every fault and repair, judged by what runs.

Written from docs/semantics.md, part three, apart from the prover: it keeps what each daemon runs and has on disk and changes
that act by act, where the prover looks up what lies before and after a step; it visits reboots and crashes, where the prover
judges what would start. For small plans; of the crowds each group moves as one.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.versions import Version
from upgrade_plans.models.nodesets import expand
from upgrade_plans.models.upgrade import Step, Upgrade
from wholeoracle_judge import Judge
from wholeoracle_words import ACTS, BACK_TO, MOVING, NAMES, STAYS, TOUCH, Around, Daemon, Key, Lines, State, store_of


class Oracle:
    """Explores a plan; `broken` is what is violated anywhere, `places` every (direction, step, stages) that is reached."""

    def __init__(self, plan: Upgrade) -> None:
        self.plan, self.steps = plan, plan.steps
        self.places: set[tuple[str, int, tuple[int, ...]]] = set()
        self.states = 0
        self.groups = {one.id for one in plan.workers} | {one.id for one in plan.tillers}
        self.first = {group.id: expand(group.nodes)[0] for group in plan.workers}
        self.keys: list[Key] = [(name, host.node) for host in plan.hosts for name in host.daemons]
        self.keys += [(name, group.id) for group in plan.workers for name in group.daemons]
        self.keys += [("tiller", one.id) for one in plan.tillers]
        self.apis = [number for number, key in enumerate(self.keys) if key[0] == "kube-apiserver"]
        self.members = [number for number, key in enumerate(self.keys) if key[0] == "etcd"]
        self.phases: dict[str, int] = {}
        number = 0
        for phase in plan.phases:
            number += len(phase.steps)
            self.phases[phase.id] = number
        self.parts = [self._parts(step) for step in self.steps]
        self.hands: dict[tuple[int, tuple[int, ...]], frozenset[int]] = {}
        self.around = list(self._around())
        self.judge = Judge(self.plan, self.keys, self.groups)
        self.broken = self.judge.broken

    # The start, and the parts of a step.

    def start(self) -> State:
        """Return the state that the plan begins in."""
        kept = str(self.plan.stores.kubernetes or "")
        found = {(name, host.node): one.running for host in self.plan.hosts for name, one in host.daemons.items()}
        found |= {(name, group.id): one.running for group in self.plan.workers for name, one in group.daemons.items()}
        found |= {("tiller", one.id): one.version for one in self.plan.tillers}
        daemons = []
        for key in self.keys:
            version, lines = Version.parse(str(found[key])), self._given(key)
            daemons.append(Daemon(version, version, False, lines, lines, kept))
        cluster = Version.parse(self.plan.cluster_version or "0.0.0").line
        state = State("forward", 0, (), (), tuple(daemons), kept, frozenset(), cluster, frozenset(), 0, "")
        return self._at(state, "forward", 0, 0)

    def _given(self, key: Key) -> Lines:
        found: dict[str, str] = {}
        for one in self.plan.settings:
            if one.component == key[0] and self._on(one.nodes, key[1]):
                found |= one.arguments | one.environment
        return tuple(sorted(found.items()))

    def _on(self, nodes: str, where: str) -> bool:
        return self.first.get(where, where) in expand(nodes)

    def _parts(self, step: Step) -> tuple[str, ...]:
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
        count = max(1, len(self.parts[step])) if step < len(self.steps) else 0
        return state._replace(direction=direction, step=step, stages=(stage,) * count, left=((),) * count)

    # Moves.

    def explore(self, limit: int = 200_000) -> None:
        """Visit every state that can be reached. Raises `OverflowError` when there are more than `limit`."""
        first = self._settled(self.start())
        back = {number: store_of(one.lines, one.disk) for number, one in enumerate(first.daemons) if one.used}
        self.misled = {number for number, store in back.items() if store not in ("", first.daemons[number].used)}
        self.was = first.daemons
        self.judge.begin(first)
        seen, waiting = {first}, [first]
        before: dict[State, list[State]] = {}
        while waiting:
            state = waiting.pop()
            if not state.fault:
                self.places.add((state.direction, state.step, state.stages))
            self.judge.judge(state, self._here(state), over=self._over(state), hand=self._hand(state))
            for after, own in self._moves(state):
                if own:
                    before.setdefault(after, []).append(state)
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)
            if len(seen) > limit:
                raise OverflowError(len(seen))
        self.states = len(seen)
        self._live(first, seen, before)

    def _live(self, first: State, seen: set[State], before: dict[State, list[State]]) -> None:
        ends = [state for state in seen if self._over(state)]
        if any(not state.fault for state in seen - _reaching(ends, before)):
            self.broken.add("no-dead-end")
        if first not in _reaching([state for state in ends if state.direction == "forward"], before):
            self.broken.add("reaches-end")

    def _over(self, state: State) -> bool:
        return state.direction == "ended" or state.step == len(self.steps)

    def _hand(self, state: State) -> frozenset[int]:
        """Return the daemons that are in hand."""
        place = state.step, state.stages
        if place not in self.hands:
            step = self.steps[state.step] if 1 in state.stages else None
            pairs = zip(self.parts[state.step], state.stages, strict=False) if step is not None else ()
            numbers = {number for part, stage in pairs if stage == 1 and step is not None for number in self._of(step, part)}
            self.hands[place] = frozenset(numbers)
        return self.hands[place]

    def _moves(self, state: State) -> Iterator[tuple[State, bool]]:
        yield from ((after, False) for after in self._faults(state))
        if self._over(state) or state.fault:
            return
        step, parts = self.steps[state.step], self.parts[state.step]
        yield from ((after, True) for after in self._acts(state, step, parts))
        begins, ends = (0, 2) if state.direction == "forward" else (2, 0)
        asked = step.pre if state.direction == "forward" else step.undo.pre if step.undo else ()
        if state.stages.count(1) < step.window and all(self._holds(check, state, step) for check in asked):
            for number, stage in enumerate(state.stages):
                if stage == begins:
                    yield self._begin(state, step, parts, number, ends), True
        elif not parts and state.direction == "back" and begins in state.stages:
            yield self._begin(state, step, parts, 0, ends), True
        yield from ((after, True) for after in self._on_and_back(state, step))

    def _begin(self, state: State, step: Step, parts: tuple[str, ...], number: int, ends: int) -> State:
        if not parts:
            after = state._replace(stages=(ends,))
            return self._settled(self._once(after, step) if ends == 2 else after, step)
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
                yield self._settled(self._end(state, step, parts, number), step)

    def _end(self, state: State, step: Step, parts: tuple[str, ...], number: int) -> State:
        """Let a part be done (taken back); what watches is no longer from before the migration once it was restarted."""
        done = 2 if state.direction == "forward" else 0
        stages = (*state.stages[:number], done, *state.stages[number + 1 :])
        facts, newest = state.facts, state.newest
        if state.direction == "forward" and step.kind != "migrate":
            facts -= {f"since {name}/{where}" for name, where in (self.keys[one] for one in self._of(step, parts[number]))}
        if step.kind == "migrate" and set(stages) == {2} and state.newest == "v2":
            watch = [(key, one) for key, one in zip(self.keys, state.daemons, strict=True) if one.run is not None]
            facts = frozenset(one for one in facts if not one.startswith("since ")) - {"compared", "left"} | {"migrated"}
            facts |= {f"since {name}/{where}" for (name, where), _ in watch if name in (*NAMES["workers"], *NAMES["managers"])}
            before = self.around[state.step].calico != "after"
            facts = frozenset(facts | ({"left"} if self.plan.stores.calico == "v2" and before else set()))
            newest = "both"
        gives_up = step.kind == "start" and step.component == "kube-apiserver" and step.undo is not None and step.undo.loss
        after = state._replace(stages=stages, facts=facts, newest=newest)
        if state.direction == "back" and gives_up and not any(stages) and not self._may(after, self.apis):
            kept = frozenset(one for one in facts if not one.startswith("since ")) - {"migrated"}
            after = after._replace(newest="both", facts=kept)
        return after

    def _do(self, state: State, step: Step, numbers: list[int], act: str) -> State:
        daemons, forward = list(state.daemons), state.direction == "forward"
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
                one = one._replace(lines=self._written(step, self.keys[number], one.lines, forward=forward))
            elif act == "start":
                one = _started(one)._replace(masked=False)
            daemons[number] = one
        return state._replace(daemons=tuple(daemons))

    def _written(self, step: Step, key: Key, lines: Lines, *, forward: bool) -> Lines:
        found = dict(lines)
        for change in (self.plan.changes[name] for name in step.changes):
            if key[0] in NAMES.get(change.component, (change.component,)) and self._on(change.nodes, key[1]):
                for line in change.lines:
                    found.pop(line.setting, None)
                    if (value := line.new if forward else line.old) is not None:
                        found[line.setting] = value
        return tuple(sorted(found.items()))

    def _once(self, state: State, step: Step) -> State:
        """Let happen what a step does that handles no daemon."""
        facts = state.facts
        if step.kind == "sentinel":
            facts |= {"sentinel"}
        if step.kind == "delete-keys":
            prefix = (step.prefix or "").rstrip("/")
            facts = facts - ({"left"} if prefix == "/calico" else set()) if step.store == "v3" else facts | {f"gone {prefix}"}
        if step.kind == "compare":
            whole = "migrated" in facts and all(state.daemons[number].run for number in self.members)
            facts = facts | {"compared"} if whole else facts - {"compared"}
        if step.kind == "backup" and step.backup is not None:
            still = not self._may(state, [*self.members, *self.apis])
            facts |= {f"saved {step.id}"} | ({"cold"} if step.backup.cold and still else set())
        if step.kind == "drill":
            newest = {tuple(one.backup.stores): one.id for one in self.steps if one.backup and f"saved {one.id}" in facts}
            facts |= {f"proven {one}" for one in newest.values()}
        return state._replace(facts=facts)

    def _may(self, state: State, numbers: list[int]) -> bool:
        """Say whether any of some daemons runs, would start, or is in hand, so that it may."""
        # A step that neither stops nor starts anything leaves what it has in hand as it is.
        still = state.step < len(self.steps) and self.steps[state.step].kind in ("migrate", "switch-store")
        hand = frozenset[int]() if still else self._hand(state)
        return any(number in hand or (one := state.daemons[number]).run is not None or not one.masked for number in numbers)

    def _on_and_back(self, state: State, step: Step) -> Iterator[State]:
        if state.direction == "forward":
            if set(state.stages) == {2} and all(self._holds(check, state, step, post=True) for check in step.post):
                yield self._settled(self._at(state, "forward", state.step + 1, 0))
            if (not any(state.stages) or self._undone(step)) and self._lowest(state) <= state.step:
                left = tuple(self._turned(step) if stage == 1 else () for stage in state.stages)
                yield state._replace(direction="back", left=left)
        elif not any(state.stages):
            if state.step <= self._lowest(state):
                yield state._replace(direction="ended")
            else:
                yield self._settled(self._at(state, "back", state.step - 1, 2))

    def _turned(self, step: Step) -> tuple[str, ...]:
        return BACK_TO.get(step.kind, ("none",) if step.kind == "migrate" else ACTS.get(step.kind, MOVING))

    # The way back, and what lies around a step.

    def _undone(self, step: Step) -> bool:
        stays = step.kind in STAYS or (step.kind == "delete-keys" and step.store != "v3")
        return step.undo is not None or not stays

    def _lowest(self, state: State) -> int:
        found = state.step + 1
        for boundary in range(state.step, state.floor - 1, -1):
            if self.around[boundary].rests:
                found = boundary
            if boundary and not self._undone(self.steps[boundary - 1]):
                break
        return found

    def _around(self) -> Iterator[Around]:  # noqa: C901 - kind by kind
        here, until = Around(), dict[str, str]()
        stops: dict[str, frozenset[str]] = {}
        yield here
        for step in self.steps:
            keys = frozenset(f"{name}/{where}" for where in step.takes for name in NAMES.get(step.component, (step.component,)))
            match step.kind:
                case "depool":
                    here = here._replace(out=here.out | step.takes.keys())
                case "repool":
                    here = here._replace(out=here.out - step.takes.keys())
                case "stop":
                    here = here._replace(stopped=here.stopped | keys)
                case "close-clients" | "open-clients":
                    here = here._replace(closed=step.kind == "close-clients")
                case "hold-config" | "release-config":
                    here = here._replace(held=step.kind == "hold-config")
                case "depool-dc" | "repool-dc":
                    here = here._replace(away=step.kind == "depool-dc")
                case "freeze" | "unfreeze":
                    here = here._replace(frozen=step.kind == "freeze")
                case "calico-start" | "calico-complete":
                    here = here._replace(calico="open" if step.kind == "calico-start" else "after")
            # Whatever starts a daemon unmasks it.
            if step.kind in ("start", "restart", "config", *TOUCH) and step.kind not in ("migrate", "switch-store"):
                names = TOUCH.get(step.kind, NAMES.get(step.component, (step.component,)))
                here = here._replace(stopped=here.stopped - {f"{name}/{where}" for where in step.takes for name in names})
            here = here._replace(outages=here.outages - {one for one, end in until.items() if end == step.id})
            until = {one: end for one, end in until.items() if end != step.id}
            if step.outage is not None:
                until[step.id], stops[step.id] = step.outage.until, frozenset(map(str, step.outage.stops))
                here = here._replace(outages=here.outages | {step.id})
            here = here._replace(excused=frozenset().union(*(stops[one] for one in here.outages)))
            yield here

    def _here(self, state: State) -> Around:
        whole = bool(state.stages) and set(state.stages) == {2}
        return self.around[state.step + whole]

    def _up(self, state: State) -> set[int]:
        """Return the daemons that run and are not in hand: what is in hand counts as running for nobody."""
        hand = self._hand(state)
        return {number for number, one in enumerate(state.daemons) if one.run is not None and number not in hand}

    def _holds(  # noqa: C901 - check by check
        self, check: str, state: State, step: Step, *, post: bool = False
    ) -> bool:
        up, here = self._up(state), self._here(state)
        serving = bool(up & set(self.apis)) or not self.apis
        match check:
            case "rest":
                return not self._hand(state) and here.rests
            case "members-healthy":
                return set(self.members) <= up | self._hand(state)
            case "cluster-version":
                wanted = step.to if post else step.from_
                return wanted is None or state.cluster == Version.parse(wanted).line
            case "backup-proven":
                return all(f"proven {block.backup}" in state.facts for block in step.blocks if block.backup)
            case "writers-stopped":
                return not self._may(state, self.apis)
            case "members-equal":
                return "compared" in state.facts
            case "heartbeats-fresh" | "apis-complete" | "nodes-ready":
                return serving
            case "old-datastore-closed":
                return here.calico != "before"
            case "new-datastore-open":
                return here.calico == "after"
            case "config-held":
                return here.held
            case "balancer":
                return self._spared(up, here, frozenset() if post else frozenset(step.takes))
            case "standby-healthy" | "managers-lead":
                return self._led(check, up, step)
            case _:
                return True

    def _spared(self, up: set[int], here: Around, taken: frozenset[str]) -> bool:
        balancer = self.plan.balancer
        left = [number for number in self.apis if number in up and self.keys[number][1] not in here.out | taken]
        return balancer is None or not self.apis or len(left) / len(self.apis) >= balancer.threshold

    def _led(self, check: str, up: set[int], step: Step) -> bool:
        managers = [key for key in self.keys if key[0] in NAMES["managers"]]
        running = [self.keys[number] for number in up]
        if check == "managers-lead":
            return bool(up & set(self.apis)) and {name for name, _ in managers} <= {name for name, _ in running}
        mine = {name for name, where in managers if where in step.takes}
        return mine <= {name for name, where in running if where not in step.takes}

    # The world.

    def _settled(self, state: State, step: Step | None = None) -> State:
        facts, newest, up = state.facts, state.newest, self._up(state)
        serving = [state.daemons[number] for number in self.apis if state.daemons[number].run is not None]
        asked = [*(step.pre if step else ())]
        if step is None:
            asked = [*self.steps[state.step - 1].post] if state.step and state.direction == "forward" else []
        if step is not None and state.direction == "back":
            asked = [*(step.undo.pre if step.undo else ())]
        if "heartbeats-fresh" in asked and up & set(self.apis):
            facts -= {"stale"}
        able = self._may(state, self.apis)
        if self.apis and not able:
            facts |= {"stale"}
        if self._may(state, self.members):
            facts -= {"cold"}
        if able:
            facts -= {"sentinel"}
        if newest == "both" and serving:
            newest = "v2" if {one.used for one in serving} == {"v2"} else "v3"
            if newest == "v2":
                facts = frozenset(one for one in facts if not one.startswith("since ")) - {"migrated"}
        lines = [one.run.line for number in self.members if number in up and (one := state.daemons[number]).run is not None]
        cluster = max(state.cluster, min(lines)) if lines and len(lines) == len(self.members) else state.cluster
        floor = state.floor
        if step is not None and step.blocks and 0 not in state.stages and state.direction == "forward":
            floor = max(floor, *(min(self.phases[block.state], state.step + 1) for block in step.blocks))
        wrote = state.wrote | {one.run for one in serving if one.run is not None}
        return state._replace(facts=facts, newest=newest, cluster=cluster, floor=floor, wrote=wrote)

    def _faults(self, state: State) -> Iterator[State]:
        """Yield a daemon's death, a host's or a group's; and the repair, which starts what is installed and not masked."""
        if not state.fault:
            kept = {self.keys[number] for number in self.misled if self._exposed(state, number)}
            hits = {f"{name}/{where}": {(name, where)} for name, where in self.keys}
            hits |= {f"/{where}": {key for key in self.keys if key[1] == where} for _, where in self.keys}
            yield from (self._hit(state, fault, keys) for fault, keys in hits.items() if kept.isdisjoint(keys))
            return
        name, where = state.fault.split("/")
        daemons = list(state.daemons)
        for number, key in enumerate(self.keys):
            one = daemons[number]
            if key[1] == where and name in ("", key[0]) and one.run is None and not one.masked:
                daemons[number] = _started(one)
        yield self._settled(state._replace(daemons=tuple(daemons), fault=""))

    def _exposed(self, state: State, number: int) -> bool:
        """Say whether a daemon would come back on another store, as before the plan: an exposure until the plan's end."""
        one, was = state.daemons[number], self.was[number]
        return (one.disk, one.lines) == (was.disk, was.lines) and not (self._over(state) and state.direction == "forward")

    def _hit(self, state: State, fault: str, keys: set[Key]) -> State:
        hit = tuple(one._replace(run=None) if key in keys else one for key, one in zip(self.keys, state.daemons, strict=True))
        return state._replace(daemons=hit, fault=fault)


def _started(one: Daemon) -> Daemon:
    return one._replace(run=one.disk, live=one.lines, used=store_of(one.lines, one.disk) if one.used else "")


def _reaching(goals: list[State], before: dict[State, list[State]]) -> set[State]:
    reach, waiting = set(goals), list(goals)
    while waiting:
        for state in before.get(waiting.pop(), ()):
            if state not in reach:
                reach.add(state)
                waiting.append(state)
    return reach


def fewest_drains(begin: tuple[int, int], end: tuple[int, int]) -> int | None:
    """Return how often workers must be emptied at least, by trying every order; None where no order is legal.

    `begin` and `end` are minors, of API servers and of kubelets. API servers go up by one; meanwhile both are there.
    Each kubelet is no newer than the oldest API server and at most two minors (three from 1.25 on) behind the newest.
    """
    layer, drains = {begin}, 0
    seen: set[tuple[int, int]] = set()
    while layer:
        waiting = list(layer)
        while waiting:
            servers, kubelets = waiting.pop()
            if (servers, kubelets) in seen:
                continue
            seen.add((servers, kubelets))
            if (servers, kubelets) == end:
                return drains
            if servers < end[0] and kubelets <= servers and servers + 1 - kubelets <= (3 if kubelets >= 25 else 2):
                waiting.append((servers + 1, kubelets))
                layer.add((servers + 1, kubelets))
        layer = {
            (servers, higher) for servers, kubelets in layer for higher in range(kubelets + 1, min(servers, end[1]) + 1)
        } - seen
        drains += 1
    return None

"""The check: every state anew, and each statement of the certificate held to it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import product
from math import factorial, prod
from typing import Any

from kubedeb.knowledge import Knowledge
from upgrade_plans.canonical import digest
from upgrade_plans.checker.case import FORWARD, HEALTHY_WORLD, NONE, Case, Ints, State, case_of
from upgrade_plans.checker.differences import brief
from upgrade_plans.checker.invariants import blocked_broken, exposed, level, plan_broken, state_broken
from upgrade_plans.checker.moves import moves
from upgrade_plans.models.certificate import Certificate
from upgrade_plans.models.plan import Plan

MODEL = "etcd-rolling/1"
OWN = frozenset("EBWZ")


def check(certificate: Certificate, plan: Plan, knowledge: Knowledge) -> tuple[str, ...]:
    """Return what a certificate states of a plan and is not so; nothing means that it holds.

    Everything is derived again from the plan and the rows: the states, what they violate, the levels, the exposures, and the
    digest of the states of each place. The facts are not asked: the certificate names their digest only.
    """
    wrong = [*_inputs(certificate, plan, knowledge)]
    if wrong:
        return tuple(wrong)
    broken = plan_broken(plan)
    if broken or certificate.evidence is None:
        refused = {"violations": sorted(broken), "states": None, "proven": False}
        return tuple(_differences(certificate, refused))
    case = case_of(plan, knowledge, certificate.evidence.reductions)
    return tuple(_differences(certificate, Walk(case).found()))


def _inputs(certificate: Certificate, plan: Plan, knowledge: Knowledge) -> Iterator[str]:
    if certificate.model != MODEL:
        yield f"it is of the model {certificate.model!r}; this checker knows {MODEL}"
    for what, stated, ours in (
        ("plan", certificate.sha256.plan, digest(plan)), ("knowledge", certificate.sha256.knowledge, knowledge.digest),
    ):  # fmt: skip
        if stated != ours:
            yield f"it is of another {what}: sha256 {stated}, not {ours}"
    if certificate.states is not None and certificate.evidence is None:
        yield "it carries no evidence: no digests of the states"


def _differences(certificate: Certificate, found: dict[str, Any]) -> Iterator[str]:
    places = certificate.evidence.places if certificate.evidence else {}
    stated = {
        "violations": sorted({item.invariant for item in certificate.violations}),
        "proven": certificate.proven,
        "states": certificate.states,
        "levels": certificate.levels,
        "exposures": sorted([item.step, item.fault, item.states] for item in certificate.exposures),
        "places": {name: list(place) for name, place in places.items()},
    }
    for name, value in found.items():
        if stated[name] != value:
            yield f"{name}: it states {brief(stated[name])}, and {brief(value)} is found"


class Walk:
    """Goes through every state."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.seen: dict[State, int] = {}
        self.order: list[State] = []
        self.ways: list[list[list[int]]] = []
        """From each state, where each move leads that is no fault and no repair."""
        self.broken: set[str] = set()

    def found(self) -> dict[str, Any]:
        """Return all that a certificate states."""
        for leader in range(self.case.size):
            self._add(self._begin(leader))
        for state in self.order:
            self._visit(state)
        self._ends()
        if self.case.blocked and blocked_broken(self.case):
            self.broken.add("blocked")
        levels: Counter[str] = Counter()
        listed: Counter[tuple[str, str]] = Counter()
        places: dict[str, list[str]] = {}
        for state in self.order:
            rank, weight = level(self.case, state), self._weight(state)
            levels[rank] += weight
            places.setdefault(f"{state.way} {state.step} {state.act}", []).append(_text(state))
            held = self.case.blocked and not self.case.blocked.isdisjoint((*state.installed, *state.running))
            if held and state.step < len(self.case.steps):
                listed[self.case.steps[state.step].id, "blocked"] += weight
            if rank == "N" and self.case.size - len(self.case.up(state)) <= 1:
                listed.update({(self.case.steps[state.step].id, kind): weight for kind in exposed(self.case, state)})
        return {
            "violations": sorted(self.broken),
            "proven": not self.broken,
            "states": sum(levels.values()),
            "levels": dict(levels),
            "exposures": sorted([step, kind, count] for (step, kind), count in listed.items()),
            "places": {name: [len(texts), _digest(texts)] for name, texts in places.items()},
        }

    def _begin(self, leader: int) -> State:
        members = self.case.plan.members
        installed, running = (tuple(self.case.rank(getattr(m, name)) for m in members) for name in ("installed", "running"))
        empty = (0,) * self.case.size
        return State(installed, running, empty, self.case.cluster, leader, 0, 0, FORWARD, 0, 0, (), HEALTHY_WORLD)

    def _add(self, state: State) -> int:
        state = self._ordered(state, self.case.cells(state))
        if state not in self.seen:
            self.seen[state] = len(self.order)
            self.order.append(state)
        return self.seen[state]

    def _visit(self, state: State) -> None:
        self.broken.update(state_broken(self.case, state))
        cells = self.case.cells(state)
        ways: list[list[int]] = []
        for move in moves(self.case, state):
            self.broken.update(move.broken)
            same = self.case.cells(move.after) == cells
            targets = {self._add(after) for after in ([move.after] if same else self._images(move.after, cells))}
            if move.who in OWN:
                ways.append(sorted(targets))
        self.ways.append(ways)

    # Section 6: members that are alike.

    def _part(self, state: State, member: int) -> Ints:
        nodes = self.case.nodes[state.step] if state.acts else ()
        act = state.acts[nodes.index(member)] if member in nodes else NONE
        kind, where = state.fault
        struck = where == member if kind != "row" else self.case.rows[where] == (member,)
        return state.installed[member], state.running[member], state.cached[member], act, member == state.leader, struck

    def _with_parts(self, state: State, parts: dict[int, Ints]) -> State:
        """Return the state with these members' parts."""
        every = {**{member: self._part(state, member) for member in range(self.case.size)}, **parts}
        nodes = self.case.nodes[state.step] if state.acts else ()
        struck = [member for member, part in every.items() if part[5]]
        kind, where = state.fault
        members = range(self.case.size)
        return state._replace(
            installed=tuple(every[m][0] for m in members), running=tuple(every[m][1] for m in members),
            cached=tuple(every[m][2] for m in members), acts=tuple(every[m][3] for m in nodes),
            leader=next((member for member, part in every.items() if part[4]), NONE),
            fault=(kind, where if not struck else self.case.row_of[struck[0]] if kind == "row" else struck[0]),
        )  # fmt: skip

    def _ordered(self, state: State, cells: tuple[Ints, ...]) -> State:
        parts: dict[int, Ints] = {}
        for cell in cells:
            parts |= zip(cell, sorted(self._part(state, member) for member in cell), strict=True)
        return self._with_parts(state, parts) if parts else state

    def _images(self, state: State, cells: tuple[Ints, ...]) -> Iterator[State]:
        choices = [list(_orders([self._part(state, member) for member in cell])) for cell in cells]
        for choice in product(*choices):
            chosen = zip(cells, choice, strict=True)
            yield self._with_parts(
                state, {member: part for cell, order in chosen for member, part in zip(cell, order, strict=True)}
            )

    def _weight(self, state: State) -> int:
        kind, where = state.fault
        alone = kind == "node" and self.case.merge_rows and len(self.case.rows[self.case.row_of[where]]) == 1
        size = 2 if alone else 1
        for cell in self.case.cells(state):
            counts = Counter(self._part(state, member) for member in cell)
            size *= factorial(len(cell)) // prod(map(factorial, counts.values()))
        return size

    # Dead ends.

    def _ends(self) -> None:
        counts = [state.fault == HEALTHY_WORLD or state.fault[0] == "executor" for state in self.order]
        over = [counted and self.case.finished(state) for counted, state in zip(counts, self.order, strict=True)]
        comes = self._coming_to(over)
        if not all(comes[number] for number, counted in enumerate(counts) if counted):
            self.broken.add("no-dead-end")
        if not all(self._can_end(self._begin(leader)) for leader in range(self.case.size)):
            self.broken.add("reaches-end")

    def _can_end(self, begin: State) -> bool:
        """Say whether the plan's end can be reached by the executor's steps and the world's alone, nobody turning back."""
        seen, waiting = {begin}, [begin]
        while waiting:
            state = waiting.pop()
            if self.case.finished(state):
                return True
            new = {move.after for move in moves(self.case, state) if move.who in "EW"} - seen
            seen |= new
            waiting += sorted(new)
        return False

    def _coming_to(self, good: Iterable[bool]) -> list[bool]:
        """Return which states have a way to a good one; a move to several images counts when all of them do."""
        comes, before = list(good), dict[int, set[int]]()
        for number, ways in enumerate(self.ways):
            if self.order[number].fault == HEALTHY_WORLD or self.order[number].fault[0] == "executor":
                for target in {target for targets in ways for target in targets}:
                    before.setdefault(target, set()).add(number)
        waiting = [number for number, reached in enumerate(comes) if reached]
        while waiting:
            for number in before.get(waiting.pop(), ()):
                if not comes[number] and any(all(comes[t] for t in targets) for targets in self.ways[number]):
                    comes[number] = True
                    waiting.append(number)
        return comes


def _orders(parts: list[Ints]) -> Iterator[tuple[Ints, ...]]:
    """Yield the different orders of parts."""
    if not parts:
        yield ()
    for index, part in enumerate(parts):
        if part not in parts[:index]:
            yield from ((part, *rest) for rest in _orders(parts[:index] + parts[index + 1 :]))


def _text(state: State) -> str:
    """Return a state without its place as compact JSON (docs/semantics.md, section 5)."""
    return json.dumps([*state[:7], state.acts, *state.fault], separators=(",", ":"))


def _digest(texts: Iterable[str]) -> str:
    return sha256("\n".join(sorted(texts)).encode()).hexdigest()

"""The certificate of a proof or a refusal as it is read: what a checker holds it to, and the rest as it stands."""

from __future__ import annotations

from pydantic import ConfigDict

from kubedeb.yamlfile import StrictModel

FORMAT = 1
WHOLE_FORMAT = 2


class Digests(StrictModel):
    """sha256 of what was judged; `facts` is None when none were given."""

    plan: str
    knowledge: str
    facts: str | None = None


class StatedViolation(StrictModel):
    """A violated invariant by its id."""

    model_config = ConfigDict(extra="ignore")
    invariant: str


class StatedExposure(StrictModel):
    """How many states of a step are exposed to a fault class."""

    model_config = ConfigDict(extra="ignore")
    step: str
    fault: str
    states: int


class Evidence(StrictModel):
    """The reductions that were used, and for each place of the program the number of states visited and their sha256."""

    reductions: dict[str, bool]
    places: dict[str, tuple[int, str]]


class Certificate(StrictModel):
    """What a certificate states; keys that no checker can hold to anything (texts, the counter-example) are passed over."""

    model_config = ConfigDict(extra="ignore")
    format: int = FORMAT
    model: str
    proven: bool
    sha256: Digests
    states: int | None
    levels: dict[str, int] = {}
    exposures: tuple[StatedExposure, ...] = ()
    violations: tuple[StatedViolation, ...] = ()
    evidence: Evidence | None = None


class BrokenRule(StrictModel):
    """A row that a violation rests on, and where it stands."""

    id: str
    source: str


class WholeViolation(StrictModel):
    """A violated invariant: which clause of it, by which model it was found, in words, where, and by which rows."""

    invariant: str
    clause: str
    model: str
    what: str
    step: str | None = None
    rules: tuple[BrokenRule, ...] = ()


class WholeExposure(StrictModel):
    """How many states of a step are exposed to a fault class in a model, how long the step takes (p50), what helps then."""

    step: str
    fault: str
    model: str
    states: int
    seconds: float
    recovery: str


class StatedWarning(StrictModel):
    """A rule that warns of a state without forbidding it, and the step from which on it does."""

    rule: str
    step: str


class StatedSegment(StrictModel):
    """A segment of a plan, judged in a model of its own."""

    model: str
    about: str
    states: int | None
    proven: bool


class Transition(StrictModel):
    """One transition of a counter-example: in which step, what happens, to which part of it, and whether as planned."""

    step: str
    what: str
    part: str
    planned: bool


class Places(StrictModel):
    """For each place of the sequence the number of states visited and their sha256."""

    places: dict[str, tuple[int, str]]


class WholeCertificate(StrictModel):
    """What the certificate of a whole stack's plan states, every key of it."""

    format: int = WHOLE_FORMAT
    model: str
    proven: bool
    cluster: str
    target: dict[str, str]
    sha256: Digests
    plan_says_made_from: dict[str, str]
    states: int | None
    levels: dict[str, int]
    fault_classes: tuple[str, ...]
    segments: tuple[StatedSegment, ...]
    exposures: tuple[WholeExposure, ...]
    warnings: tuple[StatedWarning, ...]
    findings: tuple[str, ...]
    rules: tuple[str, ...]
    inferred_rules: tuple[str, ...]
    violations: tuple[WholeViolation, ...]
    counterexample: tuple[Transition, ...] | None
    where_it_ends: tuple[str, ...]
    evidence: Places | None
    not_claimed: tuple[str, ...]


class Summary(StrictModel):
    """What a certificate of either format states of a plan: of which, in which model, whether it is proven, what is exposed."""

    model_config = ConfigDict(extra="ignore")
    format: int
    model: str
    proven: bool
    sha256: Digests
    states: int | None
    exposures: tuple[StatedExposure, ...] = ()
    inferred_rules: tuple[str, ...] = ()
    not_claimed: tuple[str, ...] = ()

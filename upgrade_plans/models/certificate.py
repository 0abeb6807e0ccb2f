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


class WholeViolation(StatedViolation):
    """A violated invariant, which clause of it, and by which model it was found."""

    clause: str
    model: str


class WholeExposure(StatedExposure):
    """How many states of a step are exposed to a fault class, and in which model."""

    model: str


class StatedWarning(StrictModel):
    """A rule that warns of a state without forbidding it."""

    model_config = ConfigDict(extra="ignore")
    rule: str


class StatedSegment(StrictModel):
    """A segment of a plan, judged in a model of its own."""

    model_config = ConfigDict(extra="ignore")
    model: str
    about: str
    states: int | None
    proven: bool


class Places(StrictModel):
    """For each place of the sequence the number of states visited and their sha256."""

    places: dict[str, tuple[int, str]]


class WholeCertificate(StrictModel):
    """What the certificate of a whole stack's plan states; the rest is passed over as in `Certificate`."""

    model_config = ConfigDict(extra="ignore")
    format: int = WHOLE_FORMAT
    model: str
    proven: bool
    cluster: str
    target: dict[str, str]
    sha256: Digests
    states: int | None
    levels: dict[str, int] = {}
    segments: tuple[StatedSegment, ...] = ()
    exposures: tuple[WholeExposure, ...] = ()
    warnings: tuple[StatedWarning, ...] = ()
    violations: tuple[WholeViolation, ...] = ()
    rules: tuple[str, ...] = ()
    inferred_rules: tuple[str, ...] = ()
    evidence: Places | None = None


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

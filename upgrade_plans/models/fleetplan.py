"""The plan of a fleet: one cluster's plan after the other, with what lies between them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.fleet import Stage
from upgrade_plans.models.plan import Duration
from upgrade_plans.models.words import Digest, Identifier, Name, VersionText

FORMAT = 1
PlanName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.json$")]
"""A file beside the fleet's plan."""


class FleetEntry(StrictModel):
    """A cluster's turn: its plan by file and sha256, how long that takes, and how long (seconds) it must run well afterwards.

    `approval`: a person says go before the turn begins. `depool`: its users are led to the other clusters meanwhile.
    """

    cluster: Name
    stage: Stage
    plan: PlanName
    sha256: Digest
    depool: bool = False
    approval: bool = True
    duration: Duration
    soak: int = Field(ge=0)


class FleetPlan(StrictModel):
    """Turns in their order: each begins when the one before has ended and soaked; `findings` is what should be known."""

    format: Literal[1] = 1
    fleet: Name
    target: dict[Identifier, VersionText]
    turns: tuple[FleetEntry, ...] = Field(min_length=1)
    findings: tuple[str, ...] = ()

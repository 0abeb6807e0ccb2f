"""What the operators of a cluster allow: how much may be away at once, when, how long to wait, who is asked."""

from __future__ import annotations

from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.nodesets import NodeNames
from upgrade_plans.models.words import Clock, Duration, Fraction, Name, Share


class Day(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Moment(StrEnum):
    """Where a person is asked before the run goes on."""

    START = "start"
    CANARY = "canary"
    BETWEEN_PASSES = "between-passes"
    OUTAGE = "outage"
    NO_RETURN = "point-of-no-return"
    CONTROL_PLANE = "control-plane"
    NEXT_CLUSTER = "next-cluster"


class Unavailable(StrictModel):
    """How many workers may be away at once (a number, or a percentage of what the limit is about, at least one).

    `total` counts all workers, `row`, `rack` and `taint_group` each row, rack and taint group; `rows` and `taint_groups`
    name those with a limit of their own.
    """

    total: Share | None = None
    row: Share | None = None
    rack: Share | None = None
    taint_group: Share | None = None
    rows: dict[str, Share] = {}
    taint_groups: dict[str, Share] = {}


def _zone(name: str) -> str:
    """Return a zone that the time zone database has; where there is no database any name is taken."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, IsADirectoryError, ValueError) as error:
        known = available_timezones()
        if known:
            near = get_close_matches(name, known, n=1)
            said = f"; did you mean {near[0]!r}?" if near else " (expected: as in Europe/Berlin)"
            raise ValueError(f"{name!r} is no time zone{said}") from error
    return name


class Window(StrictModel):
    """When steps may begin: days, from and until which local time of `zone` (an IANA name)."""

    days: tuple[Day, ...] = tuple(Day)
    start: Clock = Field(default="00:00", alias="from")
    end: Clock = Field(default="24:00", alias="until")
    zone: Annotated[str, Field(pattern=r"^[A-Za-z]+(?:[/_+-][A-Za-z0-9_+-]+)*$"), AfterValidator(_zone)] = "UTC"

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        """A window begins before it ends; one over midnight is two."""
        if self.start >= self.end:
            raise ValueError(f"a window from {self.start} until {self.end} is empty; write one over midnight as two")
        return self


class Soak(StrictModel):
    """How long to watch before going on: after the canary, a batch, a pass over the workers (`workers`), and so on."""

    canary: Duration = "30m"
    batch: Duration = "0s"
    control_plane: Duration = "1h"
    workers: Duration = "24h"
    etcd: Duration = "24h"
    cluster: Duration = "24h"


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError("say why")
    return text


class Frozen(StrictModel):
    """Nodes that must stay as they are, why, and the components meant (none: all of them)."""

    nodes: NodeNames
    reason: Annotated[str, BeforeValidator(_reason)]
    components: tuple[Name, ...] = ()


class Constraints(StrictModel):
    """What a plan for the cluster must keep to.

    `floor`: the part of the requested capacity that must stay schedulable (nothing said: what `unavailable` leaves).
    `bgp_per_row`: nodes of a row whose BGP sessions may be down at once. `row_loss`: capacity must survive the loss of a
    whole row as well.
    """

    unavailable: Unavailable = Unavailable()
    floor: Fraction | None = None
    bgp_per_row: int = Field(default=1, ge=1)
    row_loss: bool = False
    windows: tuple[Window, ...] = ()
    soak: Soak = Soak()
    approvals: tuple[Moment, ...] = ()
    frozen: tuple[Frozen, ...] = ()

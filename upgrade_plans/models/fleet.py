"""The fleet file: which clusters there are, and in which order they are changed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.words import Duration, Name

FilePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]+\.yaml$")]
FactsPath = Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]+\.json$")]


class Stage(StrEnum):
    """What a cluster is for. A staging cluster goes before every production cluster."""

    STAGING = "staging"
    PRODUCTION = "production"


class FleetCluster(StrictModel):
    """A cluster of the fleet: its files (paths from the fleet file's folder) and how it is treated.

    `depool`: users are led to the other clusters before its plan begins and back when it has ended. `soak`: how long it must
    run well before the next cluster begins.
    """

    file: FilePath
    facts: FactsPath | None = None
    stage: Stage
    depool: bool = False
    soak: Duration = "24h"
    approval: bool = True


class Fleet(StrictModel):
    """Clusters in the order in which they are changed. At most one production cluster is disturbed at a time."""

    name: Name
    clusters: dict[Name, FleetCluster] = Field(min_length=1)

    @model_validator(mode="after")
    def _staging_first(self) -> Fleet:
        """No staging cluster comes after a production cluster, and no file is named twice."""
        stages = [(name, cluster.stage) for name, cluster in self.clusters.items()]
        first = next((name for name, stage in stages if stage is Stage.PRODUCTION), None)
        late = [name for index, (name, stage) in enumerate(stages)
                if stage is Stage.STAGING and any(one is Stage.PRODUCTION for _, one in stages[:index])]  # fmt: skip
        if late:
            raise ValueError(f"the staging cluster {late[0]} comes after the production cluster {first}: it would show nothing")
        files = [cluster.file for cluster in self.clusters.values()]
        if twice := next((file for file in files if files.count(file) > 1), None):
            raise ValueError(f"the file {twice} is there twice")
        return self

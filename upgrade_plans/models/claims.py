"""What a proof of a whole stack's plan is about and what it does not claim: the same of every such plan."""

from __future__ import annotations

FAULTS = ("process", "node", "executor")
NOT_CLAIMED = (
    "two faults outstanding at once",
    "members, servers or nodes that are up but slow, or that lie",
    "timing: how long anything takes, and how the cluster fares under load meanwhile",
    "which node holds which pod, and what applications make of it",
    "settings that no row knows, certificates, webhooks and admission: a person's checks of the plan are taken at their word",
    "anything that changed after the facts were read",
    "incompatibilities of versions that no rule states",
)

RECOVERY = {
    "node": "bring the node back: it starts what is installed, and nothing is lost",
    "host": "bring the host back, or put the server in hand back into the pool",
    "reboot": "reboot or restart no such API server: with the step that gives it the setting, the danger is over",
    "blocked": "none is needed: go on, the plan leaves the blocked version",
}
"""What helps, by the class of a fault that a step is exposed to."""

INHERITED = {
    "blocked": "a blocked version, there from the start, runs",
    "reboot": "an API server would, as from the start, come back from a reboot on another store",
}
"""Exposures that the start brought, which last until a step mends them."""

"""The values that planner, prover, executor and the tests' oracle share: cluster, facts, plan, state. No decisions here."""

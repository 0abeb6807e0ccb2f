"""The commands of upgrade_plans, one module a group; each is loaded when it is called."""

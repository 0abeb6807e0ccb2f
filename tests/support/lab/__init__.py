"""Node containers for tests and the demo: systemd as PID 1, sshd, fixed addresses, removed afterwards whatever happens."""

from lab.nodes import Lab, Node

__all__ = ["Lab", "Node"]

"""kubedeb: Debian packages, a signed repository and proven rolling upgrades for Kubernetes on bare metal."""

__version__ = "0.1.0"

"""A build farm on loopback: a scheduler and workers of dask.distributed as processes, with TLS of their own."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kubedeb.errors import ExitCode
from kubedeb.process import background

DASK = str(Path(sys.executable).parent / "dask")


@dataclass(frozen=True)
class RunningFarm:
    """Where the scheduler listens, the TLS files, what all share, and each worker's process id and store."""

    address: str
    ca: Path
    cert: Path
    key: Path
    shared: str
    workers: dict[int, Path]

    @property
    def flags(self) -> list[str]:
        """Return the flags of `kubedeb build`."""
        files = ["--farm-ca", str(self.ca), "--farm-cert", str(self.cert), "--farm-key", str(self.key)]
        return ["--farm", self.address, "--farm-store", self.shared, *files]


def write_certificates(folder: Path) -> tuple[Path, Path, Path]:
    """Write an authority and one certificate for loopback that it signed; return the paths of ca, cert and key."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "farm authority")])
    now = datetime.datetime.now(datetime.UTC)

    def begun(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        return builder.not_valid_after(now + datetime.timedelta(hours=4))

    ca = begun(issuer, authority.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = begun(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key())
    leaf = leaf.add_extension(names, critical=False)
    pem = serialization.Encoding.PEM
    written = {
        "ca.pem": ca.sign(authority, hashes.SHA256()).public_bytes(pem),
        "cert.pem": leaf.sign(authority, hashes.SHA256()).public_bytes(pem),
        "key.pem": key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    }
    for name, data in written.items():
        (folder / name).write_bytes(data)
    return folder / "ca.pem", folder / "cert.pem", folder / "key.pem"


@contextmanager
def farm(folder: Path, workers: int, location: str = "", variables: Mapping[str, str] | None = None) -> Iterator[RunningFarm]:
    """Give a farm whose workers keep their stores below `folder`; it ends with the block.

    They share `location` (a folder of their own, when none is given); `variables` are what reaching it takes.
    """
    ca, cert, key = write_certificates(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tls = ["--tls-ca-file", str(ca), "--tls-cert", str(cert), "--tls-key", str(key)]
    address = f"tls://127.0.0.1:{port}"
    with (folder / "dask.log").open("wb", buffering=0) as log, ExitStack() as running:
        scheduler = [DASK, "scheduler", "--host", address, "--no-dashboard", *tls]
        running.enter_context(background(scheduler, code=ExitCode.BUG, log=log, cwd=folder))
        _wait_for(port)
        stores = {}
        for number in range(workers):
            home = folder / f"worker{number}"
            home.mkdir()
            env = {"KUBEDEB_STORE": str(home / "store"), "KUBEDEB_CACHE": str(home / "cache"), "HOME": str(home),
                   **(variables or {})}  # fmt: skip
            worker = [DASK, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1",
                      "--protocol", "tls", "--local-directory", str(home / "dask"), *tls]  # fmt: skip
            pid = running.enter_context(background(worker, code=ExitCode.BUG, log=log, cwd=home, env=env))
            stores[pid] = home / "store"
        yield RunningFarm(address, ca, cert, key, location or str(folder / "shared"), stores)


def _wait_for(port: int, seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with socket.socket() as tried:
            tried.settimeout(1)
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nobody listens on {port} after {seconds} s")

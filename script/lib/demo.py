"""`script/demo`: recipes → packages → repository → three nodes → plan → proof → upgrade under load → report."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubedeb.cli import guarded
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json, write_text
from kubedeb.output import print_table
from kubedeb.process import ProcessError, background, run
from lab import Lab
from lab.etcd import install_client_files, start_etcd
from lab.nodes import remove
from lab.writer import Summary, Writer, lost

NODES = ["etcd1", "etcd2", "etcd3"]
VERSIONS = ["3.3.25", "3.4.23", "3.5.16"]
SUFFIX = "-1~deb12u1"
SUITE = "bookworm"
LAB = "kubedeb-demo"
MARK = ".kubedeb-demo"
KUBEDEB = Path(sys.executable).parent / "kubedeb"
CLUSTER = """\
# The demo's cluster: three etcd members, each in a row of its own.
name: demo
transport: {{kind: docker, container: "{lab}-{{node}}"}}
roles:
  etcd: etcd[1-3]
rows:
  row-a: {{rack-a1: etcd1}}
  row-b: {{rack-b1: etcd2}}
  row-c: {{rack-c1: etcd3}}
addresses:
{addresses}
"""


@dataclass
class Demo:
    """Where the demo keeps its things, and what it has to tell in the end."""

    folder: Path
    keep: bool
    report: dict[str, Any] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Return the path of one of the demo's files."""
        return self.folder / name

    @property
    def environment(self) -> dict[str, str]:
        """Return the settings for every kubedeb command: all in the demo's folder, but what may be shared with others."""
        own = {"STORE": "store", "CACHE": "cache", "STATE": "state", "REPOSITORY": "repository"}
        shared = ("KUBEDEB_STORE", "KUBEDEB_CACHE", "KUBEDEB_RECIPES", "KUBEDEB_MIRROR")
        given = {name: os.environ[name] for name in shared if name in os.environ}
        return {f"KUBEDEB_{name}": str(self.path(place)) for name, place in own.items()} | given

    def kubedeb(self, *words: str | Path, timeout: float = 900) -> Any:
        """Run a kubedeb command, its progress on the screen; return its JSON result."""
        shown = " ".join(str(word) for word in words).replace(f"{self.folder}/", "demo/")
        print(f"\n$ kubedeb {shown}", flush=True)
        result = run(
            [KUBEDEB, *words, "--json"], code=ExitCode.STOPPED, env=self.environment, timeout=timeout,
            on_error_line=lambda line: print(f"  {line}", flush=True),
        )  # fmt: skip
        return json.loads(result.stdout)

    def show(self, *words: str | Path) -> None:
        """Run a kubedeb command and let people read what it prints."""
        print("\n$ kubedeb " + " ".join(str(word) for word in words).replace(f"{self.folder}/", "demo/"), flush=True)
        print(run([KUBEDEB, *words], code=ExitCode.STOPPED, env=self.environment).text, flush=True)


def title(text: str) -> None:
    """Print a chapter's heading."""
    print(f"\n── {text} " + "─" * max(3, 90 - len(text)), flush=True)


def build(demo: Demo) -> list[str]:
    """Build every version that has a source, side by side; return the versions there are."""
    wanted = [f"etcd@{version}" for version in VERSIONS]
    try:
        builds = demo.kubedeb("build", *wanted, "--jobs", str(len(wanted)), "-o", demo.path("packages"))["builds"]
    except ProcessError as error:
        builds = json.loads(error.result.stdout or b'{"builds": []}')["builds"]
        gone = [row["version"] for row in builds if "exit_status" in row]
        if error.result.status != ExitCode.SOURCE_GONE or gone != VERSIONS[:1]:
            raise
        print(f"NOT RUN: source gone: etcd {VERSIONS[0]} is on no mirror any more; the demo starts at {VERSIONS[1]}")
        demo.report["not_run"] = f"etcd {VERSIONS[0]}: source gone"
    for row in builds:
        print(f"  {row['version']}: {row['action']}: {row['reason']}")
    packages = [package for row in builds for package in row["packages"]]
    columns = ("name", "version", "size", "sha256")
    demo.report["packages"] = [{column: package[column] for column in columns} for package in packages]
    print()
    print_table(
        ("package", "version", "bytes", "sha256"), [(p["name"], p["version"], f"{p['size']:,}", p["sha256"]) for p in packages]
    )
    return [row["version"] for row in builds if row["packages"]]


def publish(demo: Demo) -> None:
    """Publish the packages in a signed repository."""
    if not demo.path("repository/repository.json").exists():
        demo.kubedeb("repo", "init", "--origin", LAB, "--suite", SUITE)
    demo.kubedeb("repo", "add", "--suite", SUITE, "--publish", *sorted(demo.path("packages").glob("*.changes")))
    demo.show("repo", "list")


@contextmanager
def served(demo: Demo, gateway: str) -> Iterator[str]:
    """Serve the repository where the nodes can reach it, and yield its URL."""
    lines: list[str] = []
    with background(
        [KUBEDEB, "repo", "serve", "--bind", gateway, "--port", "0"], code=ExitCode.REPOSITORY, env=demo.environment,
        on_line=lines.append,
    ):  # fmt: skip
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            for line in lines[:]:
                if "http://" in line:
                    url = "http://" + line.split("http://")[1].split()[0].rstrip("/")
                    demo.report["repository"] = url
                    yield url
                    return
            time.sleep(0.05)
    raise KubedebError("the repository is not served", details="\n".join(lines), code=ExitCode.REPOSITORY)


def install(demo: Demo, lab: Lab, url: str, version: str) -> list[str]:
    """Install etcd on the nodes from the repository and start the cluster; return the members' URLs."""
    install_client_files(lab, demo.path("repository/public"), url)
    return start_etcd(lab, version + SUFFIX)


def upgrade(demo: Demo, urls: list[str], version: str) -> Summary:
    """Read the cluster, plan, prove and carry out the upgrade while a writer writes from before to after."""
    cluster, facts, plan = demo.path("cluster.yaml"), demo.path("facts.json"), demo.path("plan.json")
    title("the plan")
    demo.kubedeb("inspect", cluster, "-o", facts)
    demo.kubedeb("plan", "make", cluster, "--facts", facts, "--to", f"etcd={version}", "-o", plan)
    demo.show("plan", "show", plan)
    title("the proof")
    demo.show("prove", plan, "--facts", facts, "--certificate", demo.path("certificate.json"))
    title("the upgrade, under load")
    log = demo.path("acknowledged.log")
    log.unlink(missing_ok=True)
    with Writer(urls, log) as writer:
        while writer.acknowledged() < 100:
            time.sleep(0.1)
        demo.report["run"] = demo.kubedeb("apply", plan, "--cluster", cluster, "--facts", facts)
        time.sleep(1)
    if writer.summary is None:
        raise KubedebError("the writer left no summary", code=ExitCode.STOPPED)
    return writer.summary


def tell(demo: Demo, urls: list[str], load: Summary, began: float) -> int:
    """Print and keep what happened; return how many acknowledged writes are lost."""
    title("what happened")
    print_table(
        ("member", "version before", "version running now", "time"),
        [(m["node"], m["before"], m["now"], f"{m['seconds']:.1f} s") for m in demo.report["run"]["members"]],
    )
    missing = {url: lost(url, demo.path("acknowledged.log")) for url in urls}
    total = sum(map(len, missing.values()))
    print(f"\nacknowledged writes: {load.acknowledged} ({load.rate:.0f} a second; {load.errors} requests were sent again)")
    print(f"lost: {total}  (every acknowledged key read from each of {len(urls)} members separately)")
    print(f"longest gap without an acknowledgement: {load.longest_gap:.2f} s")
    demo.report["load"] = {
        **load.__dict__,
        "rate": round(load.rate, 1),
        "lost": {url: len(keys) for url, keys in missing.items()},
    }
    demo.report["seconds"] = round(time.monotonic() - began, 1)
    write_text(demo.path("report.json"), canonical_json(demo.report))
    return total


def goodbye(demo: Demo) -> None:
    """Say what there is to look at and how to clean up."""
    where = demo.folder
    title("to look at")
    print(f"{where}/plan.json, certificate.json, facts.json, report.json, state/ (the journal), repository/public/")
    print(f"  .venv/bin/kubedeb plan show {where}/plan.json")
    print(f"  KUBEDEB_STATE={where}/state .venv/bin/kubedeb status")
    if demo.keep:
        print(f"the nodes are still there: docker exec -it {LAB}-{NODES[0]} bash")
    print("clean up: script/demo --clean")
    print(f"the whole demo took {demo.report['seconds']:.0f} s")


def clean(folder: Path) -> None:
    """Remove what the demo made: its nodes, and the folder if it is one that the demo made."""
    remove(LAB)
    if not folder.exists():
        print("the demo's nodes are removed; there is no folder")
        return
    if not (folder / MARK).exists():
        raise KubedebError(
            f"{folder} is not a folder that the demo made", hint="Remove it yourself, if you mean it.", code=ExitCode.USAGE
        )
    shutil.rmtree(folder)
    print(f"removed {folder} and the demo's nodes; the base images stay for the next run: docker image ls 'kubedeb*'")


def begin(folder: Path) -> None:
    """Make the demo's folder, or take up the one of an earlier run; never somebody else's."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise KubedebError(
            f"{folder} is there already, and not the demo's", hint="Name another: KUBEDEB_DEMO=…", code=ExitCode.USAGE
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / MARK, "Made by script/demo; script/demo --clean removes this folder.\n")


def main(arguments: list[str]) -> int:
    """Run the demo; the exit status is 1 when an acknowledged write is lost."""
    folder = Path(os.environ.get("KUBEDEB_DEMO") or "demo").absolute()
    if unknown := [word for word in arguments if word not in ("--keep", "--clean")]:
        raise KubedebError(f"unknown option {unknown[0]}", hint="script/demo --help", code=ExitCode.USAGE)
    if "--clean" in arguments:
        clean(folder)
        return ExitCode.DONE
    began = time.monotonic()
    demo = Demo(folder, keep="--keep" in arguments)
    begin(folder)
    title("packages from recipes")
    versions = build(demo)
    title("a signed apt repository")
    publish(demo)
    title("three nodes")
    remove(LAB)
    with Lab(NODES, prefix=LAB, keep=demo.keep) as lab, served(demo, lab.gateway) as url:
        print(f"nodes {', '.join(f'{n.name} ({n.address})' for n in lab.nodes.values())}; the repository is at {url}")
        addresses = "\n".join(f"  {node.name}: {node.address}" for node in lab.nodes.values())
        write_text(demo.path("cluster.yaml"), CLUSTER.format(lab=LAB, addresses=addresses))
        urls = install(demo, lab, url, versions[0])
        print(f"etcd {versions[0]} runs on all of them, installed from the repository")
        load = upgrade(demo, urls, versions[-1])
        missing = tell(demo, urls, load, began)
    goodbye(demo)
    return 1 if missing else ExitCode.DONE


if __name__ == "__main__":
    raise SystemExit(guarded(lambda: main(sys.argv[1:])))

"""The shipped recipes of what runs beside Kubernetes: legal flags, what each generation of Calico reads, no collision."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import releases
import yaml

from kubedeb.knowledge.loader import load as load_rows
from kubedeb.versions import Version
from pkgbuild.library import choose, find, load, shipped_folder
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import expand

FOUND = find([shipped_folder()])
ETCDS = ("etcd", "etcd-upstream")
ROWS = [(name, row.version) for name in ETCDS for row in load(FOUND[name]).recipe.versions]
CALICO = [row.version for row in load(FOUND["calico"]).recipe.versions]
VARIABLE = re.compile(r"^#?(ETCD_[A-Z0-9_]+)=", re.MULTILINE)
FLAG = re.compile(r"--[a-z0-9-]+")


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The recipes with every source pinned: to nothing that exists, for nothing is built."""
    folder = tmp_path_factory.mktemp("pinned")
    stamp = releases.STAMP + b" " * releases.ROOM
    nothing = dict.fromkeys(releases.ARCHITECTURES, releases.Program(stamp, stamp))
    releases.stand_in(["calico", "calico-upgrade", *ETCDS], nothing, folder / "recipes", folder / "cache")
    return find([folder / "recipes"])


def tree(found: dict[str, Path], name: str, version: str) -> dict[str, str]:
    chosen = choose(found, [f"{name}@{version}"])[0]
    files = expand(chosen, chosen.row.suites[-1], Architecture.AMD64).tree
    return {path: file.data.decode() for path, file in files.items()}


@pytest.mark.parametrize(("name", "version"), ROWS)
def test_every_setting_of_the_example_is_a_flag_that_this_etcd_is_known_to_take(
    pinned: dict[str, Path], name: str, version: str
) -> None:
    example = tree(pinned, name, version)["debian/examples/etcd.default"]
    flags = {"--" + word.removeprefix("ETCD_").lower().replace("_", "-") for word in VARIABLE.findall(example)}
    flags |= set(FLAG.findall(re.search(r"(?m)^#DAEMON_ARGS=(.*)$", example)[1]))  # type: ignore[index]
    assert len(flags) >= 10
    # Of a line whose binaries could not be tried, only what older and newer ones take is known.
    rows = {row.flag: row for row in load_rows().flags if row.component == "etcd"}
    tried = Version.parse("3.5.16")
    assert {flag for flag in flags if flag not in rows} == set()
    for flag in flags:
        row, now = rows[flag], Version.parse(version)
        assert row.first is not None
        assert Version.parse(row.first) <= now <= tried, flag
        assert not row.removed_from(now), flag


def test_no_two_recipes_make_the_same_package_in_the_same_version() -> None:
    made = Counter(
        (package.name, row.version, row.revision)
        for recipe in (load(folder).recipe for folder in FOUND.values())
        for row in recipe.versions for package in recipe.packages_of(row)
    )  # fmt: skip
    assert [key for key, number in made.items() if number > 1] == []


def test_etcd_3_0_is_upstreams_binary_alone_and_the_recipe_says_why() -> None:
    (row,) = [row for row in load(FOUND["etcd-upstream"]).recipe.versions if row.series == "3.0"]
    assert "issue 6951" in " ".join(row.changes)
    compiled = [load(folder).recipe for folder in FOUND.values()]
    assert not [
        row for recipe in compiled if recipe.product == "etcd" and recipe.go for row in recipe.versions if row.series < "3.1"
    ]


@pytest.mark.parametrize("version", CALICO)
def test_the_unit_gives_the_image_what_its_generation_reads(pinned: dict[str, Path], version: str) -> None:
    unit = tree(pinned, "calico", version)["debian/calico-node.service"]
    old = version.startswith("2.")
    assert ("-e HOSTNAME=${CALICO_NODENAME}" in unit) == old
    assert ("ETCD_AUTHORITY" in unit, "ETCD_SCHEME" in unit) == (old, old)
    assert ("/var/lib/calico:/var/lib/calico" in unit) != old
    assert "-e NODENAME=${CALICO_NODENAME}" in unit
    assert "-e ETCD_ENDPOINTS" in unit
    assert "-e DATASTORE_TYPE" not in unit
    assert unit.index("@sha256:") < unit.index("docker run")
    assert "{%" not in unit


@pytest.mark.parametrize("version", CALICO)
def test_examples_and_manifests_can_be_read(pinned: dict[str, Path], version: str) -> None:
    files = tree(pinned, "calico", version)
    conf = json.loads(files["debian/examples/10-calico.conf"])
    assert (conf["type"], conf["ipam"]["type"], "datastore_type" in conf) == ("calico", "calico-ipam", False)
    (deployment,) = yaml.safe_load_all(files["debian/manifests/calico-kube-controllers.yaml"])
    account, role, binding = yaml.safe_load_all(files["debian/manifests/rbac.yaml"])
    name = "calico-policy-controller" if version.startswith("2.2") else "calico-kube-controllers"
    assert {one["metadata"]["name"] for one in (deployment, account, role, binding)} == {name}
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert "@sha256:" in container["image"]
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]["type"]) == (1, "Recreate")
    said = files["debian/examples/calico-node.default"]
    tag = {"2.2.0": "v1.2.0", "2.6.12": "v2.6.12", "3.1.7": "v3.1.7"}[version]
    assert f"calico/node:{tag}," in said


def test_a_part_has_its_own_version_in_its_url_and_in_what_it_says(pinned: dict[str, Path]) -> None:
    spec = expand(choose(pinned, ["calico@2.2.0"])[0], Suite.BOOKWORM, Architecture.AMD64).spec
    urls = {pin.name: pin.url for pin in spec.sources}
    assert urls["calicoctl"].endswith("/calicoctl/releases/download/v1.2.0/calicoctl")
    assert urls["calico-ipam"].endswith("/cni-plugin/releases/download/v1.8.3/calico-ipam")
    says = {package.name: package.says.output for package in spec.packages if package.says}
    assert says == {"calicoctl": "v1.2.0\n", "calico-cni": "v1.8.3\n"}
    assert spec.package_version.startswith("2.2.0-1~")

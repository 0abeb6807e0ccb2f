"""Settings: flag > environment > file > default, and for each value where it came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode
from kubedeb.records import frozen


@frozen
class Setting:
    """One setting: its name in the file, its environment variable and what it is for."""

    name: str
    variable: str
    help: str


@frozen
class Value:
    """A setting's value as text, and where it came from: `flag`, `environment NAME`, `file PATH:LINE` or `default`."""

    setting: Setting
    text: str
    source: str

    @property
    def path(self) -> Path:
        """Return the value as a path, `~` expanded."""
        return Path(self.text).expanduser()


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("recipes", "KUBEDEB_RECIPES", "folders with recipes, searched before the shipped ones, separated by ':'"),
        Setting("store", "KUBEDEB_STORE", "where build results, base roots and locks are kept"),
        Setting("cache", "KUBEDEB_CACHE", "where fetched sources are kept, by sha256; may be pre-filled"),
        Setting("mirror", "KUBEDEB_MIRROR", "Debian mirror to fetch pinned Debian packages from, instead of the host's own"),
        Setting("farm_store", "KUBEDEB_FARM_STORE", "what a build farm's machines share: a folder or an fsspec URL"),
        Setting("farm_ca", "KUBEDEB_FARM_CA", "the certificate authority of the build farm, PEM"),
        Setting("farm_cert", "KUBEDEB_FARM_CERT", "this machine's certificate for the build farm, PEM"),
        Setting("farm_key", "KUBEDEB_FARM_KEY", "the key of that certificate, PEM"),
        Setting("cache_shared", "KUBEDEB_CACHE_SHARED", "a cache that machines share behind their own: file:///…, s3://…"),
        Setting("client_images", "KUBEDEB_CLIENT_IMAGES", "whose apt `--prove=all` asks: NAME=IMAGE, separated by blanks"),
        Setting("mirrors", "KUBEDEB_MIRRORS", "where archives lie too: PREFIX=REPLACEMENT of their URLs, separated by blanks"),
        Setting("repository", "KUBEDEB_REPOSITORY", "the apt repository that `kubedeb repo` works on"),
        Setting(
            "sign_command",
            "KUBEDEB_SIGN_COMMAND",
            "signs a Release for keys held elsewhere: COMMAND inline|detached FINGERPRINT",
        ),
        Setting("state", "KUBEDEB_STATE", "where runs keep their journals and backups"),
    )
}


def config_files(environment: Mapping[str, str]) -> list[Path]:
    """Return the configuration files, the strongest first: KUBEDEB_CONFIG alone, else the user's, the system's."""
    if named := environment.get("KUBEDEB_CONFIG"):
        return [Path(named)]
    home = Path(environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/")) / ".config")
    return [home / "kubedeb/config.yaml", Path("/etc/kubedeb/config.yaml")]


def defaults(environment: Mapping[str, str]) -> dict[str, str]:
    """Return every setting's default: XDG folders, or /var/lib/kubedeb where that exists and can be written."""
    home = Path(environment.get("HOME", "/"))
    system = Path("/var/lib/kubedeb")
    if os.access(system, os.W_OK):
        data, cache, state = system, system / "cache", system / "state"
    else:
        data = Path(environment.get("XDG_DATA_HOME") or home / ".local/share") / "kubedeb"
        cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "kubedeb"
        state = Path(environment.get("XDG_STATE_HOME") or home / ".local/state") / "kubedeb"
    return {
        "recipes": str(data / "recipes"),
        "store": str(data / "store"),
        "cache": str(cache / "sources"),
        "mirror": "",
        "farm_store": "",
        "farm_ca": "",
        "farm_cert": "",
        "farm_key": "",
        "cache_shared": "",
        "client_images": " ".join(f"{name}=debian:{name}-slim" for name in ("bullseye", "bookworm", "trixie", "sid")),
        "mirrors": "",
        "repository": str(data / "repository"),
        "sign_command": "",
        "state": str(state),
    }


def resolve(
    flags: Mapping[str, str | Path | None] | None = None, environment: Mapping[str, str] | None = None
) -> dict[str, Value]:
    """Return every setting's value and source. Raises `KubedebError` (CONFIG) for a bad or unknown key in a file."""
    environment = os.environ if environment is None else environment
    values = {name: Value(SETTINGS[name], text, "default") for name, text in defaults(environment).items()}
    for path in reversed(config_files(environment)):
        values.update(_from_file(path))
    for name, setting in SETTINGS.items():
        if setting.variable in environment:
            values[name] = Value(setting, environment[setting.variable], f"environment {setting.variable}")
        if flags and flags.get(name) is not None:
            values[name] = Value(setting, str(flags[name]), "flag")
    return values


def _from_file(path: Path) -> dict[str, Value]:
    if not path.exists():
        return {}
    from pydantic import create_model

    from kubedeb import yamlfile

    fields: dict[str, Any] = dict.fromkeys(SETTINGS, (str | None, None))
    model = create_model("Configuration", __base__=yamlfile.StrictModel, **fields)
    document = yamlfile.load(path, code=ExitCode.CONFIG)
    read = yamlfile.validate(document, model, code=ExitCode.CONFIG)
    return {
        name: Value(SETTINGS[name], str(text), f"file {path}:{document.line_of((name,))}")
        for name, text in read.model_dump(exclude_none=True).items()
    }


def path_setting(name: str, flag: Path | str | None = None) -> Path:
    """Return the path that the setting `name` resolves to; `flag` is what the command line gave, if anything."""
    return resolve({name: flag})[name].path

"""`kubedeb build`, `kubedeb base`, `kubedeb recipe`."""

from pkgbuild.commands.base import base
from pkgbuild.commands.build import build
from pkgbuild.commands.recipe import recipe

__all__ = ["base", "build", "recipe"]

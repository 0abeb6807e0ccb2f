"""Files that the one who runs a command may not read, and a temporary folder that is full: one error, exit status 45."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode
from repositories import Made
from rootonly import as_root
from smalldisk import small_disk

NOBODY = 65534

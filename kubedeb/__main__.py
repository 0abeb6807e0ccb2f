"""`python -m kubedeb` is the `kubedeb` command."""

from kubedeb.cli import main

main()

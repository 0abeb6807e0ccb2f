"""The commands of this room; `kubedeb/cli.py` names each as `module:attribute`."""

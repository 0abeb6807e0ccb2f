"""From a recipe to Debian packages: clean, skipped when nothing changed, the same bytes each time."""

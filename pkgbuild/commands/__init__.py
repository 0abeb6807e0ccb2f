"""`kubedeb build`, `kubedeb base`, `kubedeb recipe`: a module each, loaded when it is called."""

package library

func Name() string { return "the vendored library" }

// One program that stands in for each daemon and client of upstream's releases: what it is follows from its name, which release it
// is from a stamp, and which flags it refuses from a table that is made of the knowledge rows. It keeps no state. With the tag `tools` it
// is compiled without what listens, a third as large: for clients and plugins, which releases have many of.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The release, filled up with blanks: the makers of release files write over it, which costs no link for each release.
var stamp = "@release@                               "

// What listens, by name.
var daemons = map[string]func(name, release string, words []string){}

func main() {
	release := strings.TrimSpace(strings.TrimPrefix(stamp, "@release@"))
	name, words := filepath.Base(os.Args[0]), os.Args[1:]
	if daemon, ok := daemons[name]; ok {
		daemon(name, release, words)
		return
	}
	switch {
	case name == "etcdctl":
		etcdctl(release)
	case name == "kubectl":
		kubectl(release)
	case name == "calicoctl":
		calicoctl(release, words)
	case name == "calico-upgrade" && len(words) > 0 && words[0] == "version":
		fmt.Printf("Version:     v%s\n", release)
	case name == "calico" || name == "calico-ipam" || os.Getenv("CNI_COMMAND") != "":
		plugin(name, release, words)
	case name == "helm" || name == "tiller":
		helm(name, release)
	default:
		fmt.Printf("%s %s\n", name, release)
	}
}

// minor returns major and minor of a release: 1, 10 of 1.10.13.
func minor(release string) (major, minor int) {
	fmt.Sscanf(release, "%d.%d", &major, &minor)
	return
}

// end says why on standard error, and ends with a status.
func end(status int, format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(status)
}

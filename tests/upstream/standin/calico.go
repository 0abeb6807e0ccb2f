package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// calicoctl says its version; from 1.4 on it asks its store for the cluster's too, which this one cannot reach. The form was seen for
// 1.4.0 and 1.6.1 (Calico's page of the command, a user's log); that of 1.2 and whether 3.1 says a build date are from memory.
func calicoctl(release string, words []string) {
	if len(words) == 0 || words[0] != "version" {
		end(1, "Usage:\n  calicoctl [options] <command> [<args>...]")
	}
	if before(release, "1.4.0") {
		fmt.Printf("Version:      v%s\nBuild date:   2017-05-12T00:00:00+0000\nGit commit:   0000000\n", release)
		return
	}
	fmt.Printf("Client Version:    v%s\nBuild date:        2018-10-09T00:00:00+0000\nGit commit:        0000000\n", release)
	fmt.Println("Unable to retrieve Cluster Version or Type: no store can be reached")
	os.Exit(1)
}

// plugin answers as a CNI plugin does (from memory of CNI's protocol and of Calico's -v, not compared with originals): Calico's say their release, all say which versions of the protocol they speak.
func plugin(name, release string, words []string) {
	if (name == "calico" || name == "calico-ipam") && len(words) == 1 && words[0] == "-v" {
		fmt.Printf("v%s\n", release)
		return
	}
	known := []string{"0.1.0", "0.2.0", "0.3.0", "0.3.1"}
	if name != "calico" && name != "calico-ipam" && before(release, "0.6.0") {
		known = known[:3]
	}
	told := json.NewEncoder(os.Stdout)
	if os.Getenv("CNI_COMMAND") != "VERSION" {
		told.Encode(map[string]any{"cniVersion": known[len(known)-1], "code": 4, "msg": "required env variables missing"})
		os.Exit(1)
	}
	told.Encode(map[string]any{"cniVersion": known[len(known)-1], "supportedVersions": known})
}

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
)

// What /version answers, in the original's order.
type info struct {
	Major        string `json:"major"`
	Minor        string `json:"minor"`
	GitVersion   string `json:"gitVersion"`
	GitCommit    string `json:"gitCommit"`
	GitTreeState string `json:"gitTreeState"`
	BuildDate    string `json:"buildDate"`
	GoVersion    string `json:"goVersion"`
	Compiler     string `json:"compiler"`
	Platform     string `json:"platform"`
}

func version(release string) info {
	major, minor := minor(release)
	return info{
		strconv.Itoa(major), strconv.Itoa(minor), "v" + release, "$Format:%H$", "clean", "1970-01-01T00:00:00Z",
		runtime.Version(), runtime.Compiler, runtime.GOOS + "/" + runtime.GOARCH,
	}
}

func kubectl(release string) {
	if len(os.Args) < 2 || os.Args[1] != "version" {
		end(1, "kubectl: this one only says its version")
	}
	about := version(release)
	fmt.Printf(
		"Client Version: version.Info{Major:%q, Minor:%q, GitVersion:%q, GitCommit:%q, GitTreeState:%q, BuildDate:%q, GoVersion:%q, Compiler:%q, Platform:%q}\n",
		about.Major, about.Minor, about.GitVersion, about.GitCommit, about.GitTreeState, about.BuildDate, about.GoVersion, about.Compiler, about.Platform,
	)
}

func helm(name, release string) {
	if name == "helm" && len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Printf("Client: &version.Version{SemVer:\"v%s\", GitCommit:\"\", GitTreeState:\"clean\"}\n", release)
		return
	}
	end(1, "%s: this one only says its version", name)
}

// etcdctl says its version in the words of its API: 2 up to 3.3 unless the environment asks for 3.
func etcdctl(release string) {
	major, minor := minor(release)
	version := os.Getenv("ETCDCTL_API")
	if major == 2 {
		fmt.Printf("etcdctl version %s\n", release)
		return
	}
	if version != "3" && minor < 4 {
		fmt.Printf("etcdctl version: %s\nAPI version: 2\n", release)
		return
	}
	fmt.Printf("etcdctl version: %s\nAPI version: %d.%d\n", release, major, minor)
}

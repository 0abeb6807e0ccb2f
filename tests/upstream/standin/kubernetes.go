package main

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
)

// The ports that a daemon listens at unless its flags say otherwise; "" is none.
type ports struct{ insecureFlag, insecure, secureFlag, secure string }

var listens = map[string]ports{
	"kube-apiserver":          {"--insecure-port", "8080", "--secure-port", "6443"},
	"kube-controller-manager": {"--port", "10252", "", ""},
	"kube-scheduler":          {"--port", "10251", "", ""},
	"kubelet":                 {"--healthz-port", "10248", "--port", "10250"},
	"kube-proxy":              {"--healthz-port", "10256", "", ""},
}

func kubernetes(name, release string, words []string) {
	given, refused := parse(name, release, words)
	if _, minor := minor(release); refused != "" && minor < 10 {
		end(2, "unknown flag: %s\nUsage of %s:", refused, name)
	} else if refused != "" {
		end(1, "Error: unknown flag: %s", refused)
	}
	if _, asked := given["--version"]; asked {
		fmt.Printf("Kubernetes v%s\n", release)
		return
	}
	known, ok := listens[name]
	if !ok {
		end(1, "%s: this one only says its version", name)
	}
	address := or(given, "--bind-address", "", or(given, "--address", "", "0.0.0.0"))
	plain := or(given, "--insecure-bind-address", "", or(given, "--healthz-bind-address", "", "127.0.0.1"))
	places := []place{}
	if port := or(given, known.insecureFlag, "", known.insecure); port != "0" {
		places = append(places, place{address: plain + ":" + port})
	}
	if known.secureFlag != "" {
		port := or(given, known.secureFlag, "", known.secure)
		places = append(places, place{address + ":" + port, true, given["--tls-cert-file"], given["--tls-private-key-file"]})
	}
	about := version(release)
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", text("ok"))
	mux.HandleFunc("/version", object(about))
	mux.HandleFunc("/metrics", text(fmt.Sprintf(
		"# HELP kubernetes_build_info A metric with a constant '1' value labeled by major, minor, git version, git commit, "+
			"git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.\n"+
			"# TYPE kubernetes_build_info gauge\n"+
			"kubernetes_build_info{buildDate=%q,compiler=%q,gitCommit=%q,gitTreeState=%q,gitVersion=%q,goVersion=%q,major=%q,minor=%q,platform=%q} 1\n",
		about.BuildDate, about.Compiler, about.GitCommit, about.GitTreeState, about.GitVersion, about.GoVersion, about.Major, about.Minor, about.Platform,
	)))
	serve(mux, places)
}

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

//go:build !tools

package main

import (
	"fmt"
	"net/http"
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

func init() {
	for name := range listens {
		daemons[name] = kubernetes
	}
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
	known := listens[name]
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

//go:build !tools

package main

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
)

func init() { daemons["etcd"] = etcd }

func etcd(name, release string, words []string) {
	given, refused := parse(name, release, words)
	if refused != "" {
		end(2, "flag provided but not defined: %s\nusage: etcd [flags]", refused[1:])
	}
	if _, asked := given["--version"]; asked {
		fmt.Printf("etcd Version: %s\nGit SHA: 0000000\nGo Version: %s\nGo OS/Arch: %s/%s\n", release, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return
	}
	places := []place{}
	for _, text := range strings.Split(or(given, "--listen-client-urls", "ETCD_LISTEN_CLIENT_URLS", "http://localhost:2379"), ",") {
		where, err := url.Parse(text)
		if err != nil {
			end(2, "invalid value %q for flag -listen-client-urls: %v", text, err)
		}
		places = append(places, place{where.Host, where.Scheme == "https", given["--cert-file"], given["--key-file"]})
	}
	major, minor := minor(release)
	mux := http.NewServeMux()
	mux.HandleFunc("/version", object(map[string]string{"etcdserver": release, "etcdcluster": fmt.Sprintf("%d.%d.0", major, minor)}))
	mux.HandleFunc("/health", object(map[string]string{"health": "true"}))
	mux.HandleFunc("/metrics", text(fmt.Sprintf("# TYPE etcd_server_version gauge\netcd_server_version{server_version=%q} 1\n", release)))
	serve(mux, places)
}

//go:build !tools

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A place to listen at: an address, and the certificate's files where it speaks TLS (none: one that it makes itself).
type place struct {
	address   string
	tls       bool
	cert, key string
}

// serve answers at each place until SIGTERM or SIGINT, having told systemd that it is ready.
func serve(handler http.Handler, places []place) {
	for _, one := range places {
		listener, err := net.Listen("tcp", one.address)
		if err != nil {
			end(1, "%v", err)
		}
		if one.tls {
			listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate(one)}})
		}
		go http.Serve(listener, handler)
	}
	ready()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}

// ready tells systemd, where it asks to be told.
func ready() {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	if connection, err := net.Dial("unixgram", socket); err == nil {
		connection.Write([]byte("READY=1"))
		connection.Close()
	}
}

func certificate(one place) tls.Certificate {
	if one.cert != "" {
		pair, err := tls.LoadX509KeyPair(one.cert, one.key)
		if err != nil {
			end(1, "%v", err)
		}
		return pair
	}
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	about := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	made, err := x509.CreateCertificate(rand.Reader, &about, &about, key.Public(), key)
	if err != nil {
		end(1, "%v", err)
	}
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}
}

// text answers with the same text each time.
func text(said string) http.HandlerFunc {
	return func(answer http.ResponseWriter, _ *http.Request) { answer.Write([]byte(said)) }
}

// object answers with the same value each time, as JSON.
func object(value any) http.HandlerFunc {
	return func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "application/json")
		json.NewEncoder(answer).Encode(value)
	}
}

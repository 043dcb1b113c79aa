package stage

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/bar-tech/cognito/internal/lab"
)

// front ends TLS for all sites of a scene and hands requests on by their host.
type front struct {
	*testing.T
	listener net.Listener
	port     string

	mu    sync.Mutex // guards everything below
	sites map[string]http.Handler
}

func openFront(t *testing.T) *front {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return &front{T: t, listener: listener, port: port, sites: map[string]http.Handler{}}
}

// handle gives an origin a handler.
func (f *front) handle(origin string, handler http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sites[hostOf(origin)] = handler
}

// send hands an origin's requests on to a server, as they are.
func (f *front) send(origin, server string) {
	target, err := url.Parse(server)
	if err != nil {
		f.Fatal(err)
	}
	transport := &http.Transport{}
	f.Cleanup(transport.CloseIdleConnections)
	f.handle(origin, &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.SetXForwarded()
		},
		Transport: transport,
	})
}

// serve begins to serve, with one certificate for all, until the test ends.
func (f *front) serve(certificate tls.Certificate) {
	server := &http.Server{
		Handler:   f,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		ErrorLog:  log.New(io.Discard, "", 0), // browsers hang up as they like
	}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(f.listener, "", "") }()
	f.Cleanup(func() {
		_ = server.Close()
		<-served
	})
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	site, ok := f.sites[r.Host]
	f.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	lab.ReadWhole(site).ServeHTTP(w, r)
}

// hostOf is the host of an address, with its port.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

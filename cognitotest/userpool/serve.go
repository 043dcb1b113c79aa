package userpool

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Listening, serving and ending, in the manner of net/http/httptest.

// listen opens the socket.
func listen(addr string, anyAddr bool) net.Listener {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		panic(fmt.Sprintf("userpool: Addr %q: %v", addr, err))
	}
	// An empty host means all interfaces, and a name may point anywhere.
	if ip := net.ParseIP(host); !anyAddr && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		panic(fmt.Sprintf("userpool: Addr %q is not a loopback address", addr))
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		panic(fmt.Sprintf("userpool: cannot listen on %q: %v", addr, err))
	}
	return listener
}

// Start starts a pool of [NewUnstarted] over plain HTTP.
func (p *Pool) Start() { p.start("http://", nil) }

// StartTLS starts a pool of [NewUnstarted] over TLS, with a certificate created for it.
// Browsers of [Pool.NewBrowser] and [Pool.Transport] trust it; others need
// [Pool.Certificate].
func (p *Pool) StartTLS() {
	key := newCertificate(p.publicURL)
	p.certificate = key.Leaf
	p.start("https://", &tls.Config{Certificates: []tls.Certificate{key}, MinVersion: tls.VersionTLS12})
}

// Certificate returns the pool's certificate after [Pool.StartTLS], and nil otherwise.
func (p *Pool) Certificate() *x509.Certificate { return p.certificate }

// start serves on the socket.
func (p *Pool) start(scheme string, secure *tls.Config) {
	if p.server != nil {
		panic("userpool: the pool has already been started")
	}
	p.url = cmp.Or(p.publicURL, scheme+p.listener.Addr().String())
	handler := p.routes()
	if p.front != nil {
		handler = p.front(handler)
	}
	p.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return p.context },
		ConnState:         p.countConn,
		TLSConfig:         secure,
	}
	go func() {
		defer close(p.served)
		// Serving only ever ends because Close ended it.
		if secure != nil {
			_ = p.server.ServeTLS(p.listener, "", "")
			return
		}
		_ = p.server.Serve(p.listener)
	}()
}

// newTransport is one that trusts the pool, and without the environment's proxy.
func (p *Pool) newTransport() *http.Transport {
	if p.certificate == nil {
		return &http.Transport{}
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(p.certificate)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
}

// newCertificate is one for loopback and the public name, which has signed itself.
func newCertificate(publicURL string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("userpool: cannot make a key: " + err.Error())
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Local user pool"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if public, err := url.Parse(publicURL); err == nil && public.Hostname() != "" {
		if ip := net.ParseIP(public.Hostname()); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, public.Hostname())
		}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic("userpool: cannot make a certificate: " + err.Error())
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		panic("userpool: cannot read a certificate: " + err.Error())
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}
}

// countConn keeps the number of open connections, for Close to wait on. No
// handler hijacks its connection, so every new one is closed one day.
func (p *Pool) countConn(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		p.conns.Add(1)
	case http.StateClosed:
		p.conns.Done()
	default:
	}
}

// Release releases requests that hang in a [Fault], now and in the future, while the pool
// keeps serving. To wait for calls in flight, do so between Release and [Pool.Close].
func (p *Pool) Release() { p.quit() }

// Close stops the pool, cuts its connections, releases requests that hang in a
// [Fault], and returns when the last handler has ended. Further calls do
// nothing.
func (p *Pool) Close() {
	p.closing.Do(func() {
		p.Release()
		if p.server == nil {
			_ = p.listener.Close()
			return
		}
		_ = p.server.Close()
		<-p.served // from here on no connection is added
		// A connection accepted while the first Close walked its list is only
		// seen by a second one.
		_ = p.server.Close()
		p.conns.Wait()

		// Connections of browsers to the application are not ours to cut, but
		// idle ones would outlive the test.
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, browser := range p.browsers {
			browser.HTTPClient.CloseIdleConnections()
		}
	})
}

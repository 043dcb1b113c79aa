// Package stage sets the scene for stories told to browsers: a user pool, an app,
// a sibling of the app and a foreign site, each under a name of its own, all over
// TLS.
package stage

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/bar-tech/cognito/cognitotest"
)

// Scene is where a story happens. Every scene has names that no other has, so that
// one browser can be told many stories without cookies of the one before. Browsers
// look for every name below localhost on this machine.
type Scene struct {
	*testing.T
	Pool    *cognitotest.Pool
	App     string // the app's BaseURL
	Auth    string // where the visitor sees the pool
	Sibling string // another origin of the app's own site
	Foreign string // another site

	front     *front
	authority *authority
	client    *http.Client // of apps that call the pool
	changes   atomic.Int64
	instances [2]atomic.Bool // those behind nginx that were asked
}

// Changes is how often the app was made to change something.
func (s *Scene) Changes() int { return int(s.changes.Load()) }

// Set sets the scene with an app of such a face.
func Set(t *testing.T, face Face) *Scene {
	t.Helper()
	s := build(t)
	s.front.send(s.App, "http://"+face.serve(s, Settings{}))
	s.Pool.AllowOrigin(s.App)
	return s
}

// build sets all but the app.
func build(t *testing.T) *Scene {
	t.Helper()
	s := &Scene{T: t, Pool: cognitotest.New(cognitotest.Options{}), authority: newAuthority(t)}
	t.Cleanup(s.Pool.Close)
	s.front = openFront(t)
	port := s.front.port
	site, elsewhere := ".s"+port+".localhost", ".f"+port+".localhost"
	s.App, s.Sibling = "https://app"+site+":"+port, "https://evil"+site+":"+port
	s.Auth, s.Foreign = "https://auth"+elsewhere+":"+port, "https://www"+elsewhere+":"+port
	s.front.send(s.Auth, s.Pool.URL())
	s.front.handle(s.Sibling, http.HandlerFunc(attack))
	s.front.handle(s.Foreign, http.HandlerFunc(attack))
	s.front.serve(s.authority.certify("*"+site, "*"+elsewhere))

	s.Pool.Tamper(func(token *cognitotest.UnsignedToken) { token.Claims["iss"] = s.issuer() })
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.authority.pool()},
		// Not every system's resolver knows the names below localhost.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.front.listener.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport}
	return s
}

// issuer is the pool's, as an app with a public name wants it: over TLS.
func (s *Scene) issuer() string { return s.Auth + "/" + s.Pool.UserPoolID() }

package userpool

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// One pool, several issuers: Cognito's owners can switch a pool from one form of the
// issuer to the other, and a replicated pool goes on in another Region. The keys stay.

// Issuer returns the iss of the pool's tokens. Discovery and keys are under it, at
// /.well-known/openid-configuration and /.well-known/jwks.json.
func (p *Pool) Issuer() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.issuer != "" {
		return p.issuer
	}
	return p.Home()
}

// Home is the issuer at the pool's own address. The keys are always under it, whatever
// the iss of the tokens is.
func (p *Pool) Home() string { return p.url + "/" + p.id }

// SetIssuer sets the iss of the tokens that the pool issues from now on, also at a
// refresh. This is what happens when the form of the issuer is switched in the AWS
// console, or when another Region takes over. "" restores the first issuer.
//
//	pool.SetIssuer("https://issuer-cognito-idp.us-east-1.amazonaws.com/" + pool.UserPoolID())
//
// The application can fetch the keys from there through [Pool.Transport].
func (p *Pool) SetIssuer(issuer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.issuer = cmp.Or(issuer, p.firstIssuer)
}

// FirstIssuer is the iss of the tokens at the start, which applications are configured
// with.
func (p *Pool) FirstIssuer() string { return cmp.Or(p.firstIssuer, p.Home()) }

// SetRegionDown makes a Region unreachable through [Pool.Transport], or reachable again.
func (p *Pool) SetRegionDown(region string, down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down[region] = down
}

// hostOfAmazon is where a pool's keys are published, in any Region and partition.
var hostOfAmazon = regexp.MustCompile(`^(?:issuer-)?cognito-idp(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.[a-z.]+$`)

// Transport returns a transport that sends an application's calls to this pool, even
// calls to Cognito's own hosts. So an application can be configured without Issuer, as
// in production:
//
//	config := pool.Config()
//	config.Issuer, config.HTTPClient = "", &http.Client{Transport: pool.Transport()}
//	pool.SetIssuer("https://cognito-idp.us-east-1.amazonaws.com/" + pool.UserPoolID())
func (p *Pool) Transport() http.RoundTripper { return amazon{p, p.newTransport()} }

// amazon stands in for the hosts of Amazon.
type amazon struct {
	pool *Pool
	next *http.Transport
}

// RoundTrip sends a request to the pool.
func (a amazon) RoundTrip(r *http.Request) (*http.Response, error) {
	host := hostOfAmazon.FindStringSubmatch(r.URL.Hostname())
	if host == nil {
		return a.next.RoundTrip(r)
	}
	a.pool.mu.Lock()
	down := a.pool.down[host[1]]
	a.pool.mu.Unlock()
	if down {
		if r.Body != nil {
			_ = r.Body.Close() // a transport's duty, whatever comes of it
		}
		return nil, fmt.Errorf("dial tcp: %s cannot be reached", r.URL.Hostname())
	}
	address, err := url.Parse(a.pool.url)
	if err != nil {
		return nil, err
	}
	here := r.Clone(r.Context())
	here.URL.Scheme, here.URL.Host, here.Host = address.Scheme, address.Host, ""
	return a.next.RoundTrip(here)
}

// CloseIdleConnections ends connections that nothing uses.
func (a amazon) CloseIdleConnections() { a.next.CloseIdleConnections() }

// isOwn reports whether an issuer can be one of the pool's.
func (p *Pool) isOwn(issuer any) bool {
	text, _ := issuer.(string)
	return strings.HasSuffix(text, "/"+p.id)
}

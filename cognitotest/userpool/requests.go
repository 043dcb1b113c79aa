package userpool

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// What the pool was asked. Tests count calls to prove that tokens are not
// refreshed twice and keys not fetched at every request, and look at requests to
// see that no secret travels where it should not.

// Endpoint names one of the pool's endpoints.
type Endpoint string

// The endpoints of a pool. Login is the page where visitors sign in, both when it
// is shown and when it is submitted. IDP is the JSON API for SDKs, whose header
// X-Amz-Target names the operation. IDPResponse, SAMLResponse and SAMLLogout are where
// identity providers send visitors back to, and ProviderPage is a provider's own page.
// Register exists with [Options.Registration].
const (
	Authorization Endpoint = "authorize"
	Login         Endpoint = "login"
	Token         Endpoint = "token"
	UserInfo      Endpoint = "userInfo"
	Revoke        Endpoint = "revoke"
	Logout        Endpoint = "logout"
	JWKS          Endpoint = "jwks"
	Discovery     Endpoint = "discovery"
	SignUp        Endpoint = "signup"
	Forgotten     Endpoint = "forgotPassword"
	Confirm       Endpoint = "confirm"
	IDP           Endpoint = "idp"
	Register      Endpoint = "register"

	IDPResponse  Endpoint = "idpresponse"
	SAMLResponse Endpoint = "samlresponse"
	SAMLLogout   Endpoint = "samllogout"
	ProviderPage Endpoint = "provider"
)

// Request is a request that an endpoint received. It contains secrets in clear.
type Request struct {
	Method string
	Query  url.Values
	Form   url.Values // the body, when it is a form
	Header http.Header
	At     time.Time // by the pool's clock
}

// memory is how many requests an endpoint remembers, so that a load test does
// not fill the machine.
const memory = 1000

// traffic counts requests and remembers the latest ones.
type traffic struct {
	mu     sync.Mutex // guards calls and latest
	calls  map[Endpoint]int
	latest map[Endpoint][]Request
}

func (t *traffic) add(endpoint Endpoint, request Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls = map[Endpoint]int{}
		t.latest = map[Endpoint][]Request{}
	}
	t.calls[endpoint]++
	kept := append(t.latest[endpoint], request)
	// Trimmed only at twice the size, or every request would move a thousand.
	if len(kept) >= 2*memory {
		kept = slices.Clone(kept[len(kept)-memory:])
	}
	t.latest[endpoint] = kept
}

// Calls returns how many requests the endpoint has received, including those that
// a fault affects. A request counts as soon as it has been read, so a test can wait
// for one that a fault holds.
func (p *Pool) Calls(endpoint Endpoint) int {
	p.traffic.mu.Lock()
	defer p.traffic.mu.Unlock()
	return p.traffic.calls[endpoint]
}

// Requests returns the endpoint's last requests, at most 1000, oldest first. Later
// callers share their maps, so do not change them.
func (p *Pool) Requests(endpoint Endpoint) []Request {
	p.traffic.mu.Lock()
	defer p.traffic.mu.Unlock()
	latest := p.traffic.latest[endpoint]
	return slices.Clone(latest[max(0, len(latest)-memory):])
}

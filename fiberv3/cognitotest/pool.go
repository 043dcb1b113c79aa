// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognitotest

import (
	"sync"

	"github.com/bar-tech/cognito/cognitotest/userpool"
	"github.com/bar-tech/cognito/fiberv3"
)

// What fills a pool and what it hands out. See package userpool, where the pool
// itself is.
type (
	// Options are the options of a pool. The zero value is a complete pool.
	Options = userpool.Options
	// Client is an app client of the pool.
	Client = userpool.Client
	// User is somebody who can sign in.
	User = userpool.User
	// Provider is a simulated identity provider.
	Provider = userpool.Provider
	// ProviderUser is somebody who can sign in there.
	ProviderUser = userpool.ProviderUser
	// Fault describes how an endpoint fails.
	Fault = userpool.Fault
	// UnsignedToken is a token about to be signed, which Tamper can change.
	UnsignedToken = userpool.UnsignedToken
	// Endpoint names one of the pool's endpoints.
	Endpoint = userpool.Endpoint
	// Request is a request that an endpoint received.
	Request = userpool.Request
	// Browser is a visitor.
	Browser = userpool.Browser
	// Page is the page that a visitor has reached.
	Page = userpool.Page
)

// The endpoints of a pool.
const (
	Authorization = userpool.Authorization
	Login         = userpool.Login
	Token         = userpool.Token
	UserInfo      = userpool.UserInfo
	Revoke        = userpool.Revoke
	Logout        = userpool.Logout
	JWKS          = userpool.JWKS
	Discovery     = userpool.Discovery
	SignUp        = userpool.SignUp
	Forgotten     = userpool.Forgotten
	Confirm       = userpool.Confirm
	IDP           = userpool.IDP
	Register      = userpool.Register

	IDPResponse  = userpool.IDPResponse
	SAMLResponse = userpool.SAMLResponse
	SAMLLogout   = userpool.SAMLLogout
	ProviderPage = userpool.ProviderPage
)

// Pool is a running user pool, with what a Fiber application needs. Its methods may
// be called from any goroutine.
type Pool struct {
	*userpool.Pool

	mu    sync.Mutex      // guards auths
	auths []*cognito.Auth // those of As
}

// New starts a pool and returns when it is listening. It panics if it cannot
// listen or the options are invalid, because a test could do nothing else about it.
//
// Call [Pool.Close] at the end. Shut the application down before that, because it
// may be waiting for a response from the pool.
func New(options Options) *Pool { return &Pool{Pool: userpool.New(options)} }

// NewUnstarted is like New, but the pool listens without responding until Start or
// StartTLS.
func NewUnstarted(options Options) *Pool { return &Pool{Pool: userpool.NewUnstarted(options)} }

// Close closes the middleware of [Pool.As] and then stops the pool, as
// [userpool.Pool.Close] does.
func (p *Pool) Close() {
	// After Release, so that no fault holds their last refresh, and before the
	// server goes, which answers it.
	p.Release()
	p.mu.Lock()
	auths := p.auths
	p.mu.Unlock()
	for _, auth := range auths {
		_ = auth.Close() // a refresh that took too long is nobody's loss here
	}
	p.Pool.Close()
}

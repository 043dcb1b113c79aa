package userpool

import "crypto/rsa"

// How to get wrong tokens. To make endpoints fail, see fault.go.

// UnsignedToken is a token about to be signed, which [Pool.Tamper] can change.
type UnsignedToken struct {
	// Use is "id" or "access". Changing it has no effect; change the token_use
	// claim for that.
	Use string
	// Grant is the grant_type it is issued for, "authorization_code", "refresh_token"
	// or "client_credentials", "implicit", and "" for [Pool.AccessToken] and [Pool.IDToken].
	Grant string

	// Header and Claims become the token's JSON. Times are int64 seconds.
	Header, Claims map[string]any
	// Key signs the token, with RS256 whatever the header says.
	Key *rsa.PrivateKey
	// Sign, if set, makes the token instead: for alg none, HMAC and the like.
	Sign func(header, claims map[string]any) (string, error)
}

// Tamper calls hook for each token about to be signed, in the goroutine of the
// request that asked for it. A nil hook removes it.
//
//	pool.Tamper(func(t *userpool.UnsignedToken) {
//		if t.Use == "id" {
//			t.Claims["nonce"] = "of another login"
//		}
//	})
//
// For a token that another key has signed, set Key. For an unknown key ID, set
// Header["kid"]. For any algorithm other than RS256, set Sign.
func (p *Pool) Tamper(hook func(*UnsignedToken)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tamper = hook
}

// FailNextLogin makes the next login with a right password fail, as if a trigger of
// the pool had failed: the browser returns to the redirect URI with this error and
// description instead of a code. Cognito reports invalid_request and "PreSignUp
// failed with error …", or "Already found an entry for username google_…" if it has
// just linked an account.
func (p *Pool) FailNextLogin(errorCode, description string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failNext = &refusal{code: errorCode, description: description}
}

// takeFailure returns what FailNextLogin left, once.
func (p *Pool) takeFailure() *refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	failure := p.failNext
	p.failNext = nil
	return failure
}

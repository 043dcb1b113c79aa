package session

import (
	"fmt"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
)

// Identity is what the middleware found out about the sender of one request. It is
// immutable, and the requests of one session share it.
type Identity struct {
	User    *claims.Set // nil if nobody is signed in, and for a machine client's token
	Payload *claims.Set // of the access token; nil if nobody sent a valid one
	Session *Session    // nil unless a cookie signed the user in
	Cookie  bool        // the request carried our cookie
	Bearer  bool        // the request carried a bearer token
	Stale   bool        // the cookie leads to no session
	Ended   bool        // the session was found to have ended just now
	Kept    bool        // the cookie stays, although Stale: another instance may go on with it
	Raw     secret.Text // the bearer token
	Err     error       // why there is no user, if not for want of a login
}

// Format prints no secret.
func (Identity) Format(f fmt.State, _ rune) { secret.Hide(f, "identity") }

// What most requests without a user have in common. They are shared by all requests, and
// compared by pointer.
var (
	Anonymous   = &Identity{}
	StaleCookie = &Identity{Cookie: true, Stale: true}
	KeptCookie  = &Identity{Cookie: true, Stale: true, Kept: true}
)

// Refusal is why a guard turns a request away. It is for identities without a user.
func (id *Identity) Refusal() *fault.Error {
	switch {
	case id.Err != nil:
		return fault.From(id.Err)
	case id.Payload != nil:
		return errNoUser
	case id.Stale:
		return ErrNoSession
	}
	return ErrNobody
}

var (
	// ErrNobody, like ErrNoSession, is made once.
	ErrNobody = fault.Plain(fault.ErrNotSignedIn)
	errNoUser = fault.Because(fault.ErrForbidden, "the token belongs to a machine client, but a user is required")
)

// Subject names who sent a request, for events.
func (id *Identity) Subject() string {
	if id.Payload == nil {
		return ""
	}
	return id.Payload.Sub()
}

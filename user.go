package cognito

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/session"
)

// User is the signed-in user: the claims of the verified ID token, and those of
// /oauth2/userInfo if [Config.UserInfo] is set. With a bearer token, they are the
// access token's, which has no e-mail address and no name. It is immutable and safe
// for concurrent use. The claims are described at
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
type User claims.Set

func (u *User) set() *claims.Set { return (*claims.Set)(u) }

// Subject is the user's stable identifier within the pool ("sub"). Use it as
// the key in your own database: names and e-mail addresses change.
func (u *User) Subject() string { return u.set().Sub() }

// Username is the username in the user pool ("cognito:username").
func (u *User) Username() string {
	if name := u.set().Text("cognito:username"); name != "" {
		return name
	}
	return u.set().Text("username") // as userInfo and access tokens call it
}

// Email is the e-mail address, or "" if the user has none, or the scopes or the
// client do not allow reading it. Check EmailVerified before you trust it.
func (u *User) Email() string { return u.set().Text("email") }

// EmailVerified reports whether Cognito has verified the e-mail address.
func (u *User) EmailVerified() bool { return u.set().Bool("email_verified") }

// PhoneNumber is the phone number in E.164 form, or "".
func (u *User) PhoneNumber() string { return u.set().Text("phone_number") }

// PhoneNumberVerified reports whether Cognito has verified the phone number.
func (u *User) PhoneNumberVerified() bool { return u.set().Bool("phone_number_verified") }

// Name is the full name for display, or "".
func (u *User) Name() string { return u.set().Text("name") }

// GivenName is the first name, or "".
func (u *User) GivenName() string { return u.set().Text("given_name") }

// FamilyName is the last name, or "".
func (u *User) FamilyName() string { return u.set().Text("family_name") }

// PreferredUsername is the username that the user prefers, or "".
func (u *User) PreferredUsername() string { return u.set().Text("preferred_username") }

// Picture is the URL of the user's picture, or "".
func (u *User) Picture() string { return u.set().Text("picture") }

// Locale is the user's language and region, such as "en-GB", or "".
func (u *User) Locale() string { return u.set().Text("locale") }

// Groups are the user's groups in the pool ("cognito:groups"), empty if there
// are none. The slice is a copy that the caller may change.
func (u *User) Groups() []string { return u.set().Texts("cognito:groups") }

// InGroup reports whether the user is in the group with exactly this name.
func (u *User) InGroup(name string) bool { return u.set().Contains("cognito:groups", name) }

// AuthTime is when the user last entered their credentials ("auth_time"). A
// renewal does not change it.
func (u *User) AuthTime() time.Time { return u.set().Time("auth_time") }

// Claim returns a claim, such as Claim("custom:plan"), as encoding/json decodes it
// into an any, or nil if there is none.
func (u *User) Claim(name string) any { return u.set().Copied(name) }

// Decode fills v, a pointer to a struct with json tags, from the claims. If u is
// nil because nobody is signed in, the error is [ErrNotSignedIn].
func (u *User) Decode(v any) error {
	if u == nil {
		return session.ErrNobody
	}
	return json.Unmarshal(u.set().Source().Expand(), v)
}

// MarshalJSON writes the claims under their own names, without those that are
// about the token rather than the user.
func (u *User) MarshalJSON() ([]byte, error) { return u.set().Source().Expand(), nil }

// String returns the user for logs, by subject only.
func (u *User) String() string { return "user " + u.Subject() }

// Payload is all claims of the verified access token. It is immutable and safe
// for concurrent use. The claims are described at
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
type Payload claims.Set

func (p *Payload) set() *claims.Set { return (*claims.Set)(p) }

// Subject is the user's stable identifier ("sub"). In a machine client's token,
// it is the client's ID.
func (p *Payload) Subject() string { return p.set().Sub() }

// ClientID is the app client that the token was issued to. Cognito's access
// tokens name it here and not in "aud".
func (p *Payload) ClientID() string { return p.set().Text("client_id") }

// Username is the username in the user pool, or "" in a machine client's token.
func (p *Payload) Username() string { return p.set().Text("username") }

// TokenID is the token's identifier ("jti"), or "".
func (p *Payload) TokenID() string { return p.set().Text("jti") }

// Scopes are the granted scopes. The slice is a copy that the caller may change.
func (p *Payload) Scopes() []string {
	var scopes []string
	for scope := range strings.SplitSeq(p.set().Text("scope"), " ") {
		if scope != "" {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// HasScope reports whether exactly this scope was granted.
func (p *Payload) HasScope(name string) bool { return p.set().HasScope(name) }

// Groups are the user's groups in the pool. The slice is a copy that the caller may
// change.
func (p *Payload) Groups() []string { return p.set().Texts("cognito:groups") }

// InGroup reports whether the user is in the group with exactly this name.
func (p *Payload) InGroup(name string) bool { return p.set().Contains("cognito:groups", name) }

// IssuedAt is when Cognito issued the token.
func (p *Payload) IssuedAt() time.Time { return p.set().Time("iat") }

// ExpiresAt is when the token expires.
func (p *Payload) ExpiresAt() time.Time { return p.set().Time("exp") }

// AuthTime is when the user last entered their credentials.
func (p *Payload) AuthTime() time.Time { return p.set().Time("auth_time") }

// Claim returns a claim as encoding/json decodes it into an any, or nil if there is
// none.
func (p *Payload) Claim(name string) any { return p.set().Copied(name) }

// Decode fills v, a pointer to a struct with json tags, from the claims. If p is
// nil because there is no token, the error is [ErrNotSignedIn].
func (p *Payload) Decode(v any) error {
	if p == nil {
		return session.ErrNobody
	}
	return json.Unmarshal(p.set().Source().Expand(), v)
}

// MarshalJSON writes all claims under their own names.
func (p *Payload) MarshalJSON() ([]byte, error) { return p.set().Source().Expand(), nil }

// String returns the token for logs, by subject only.
func (p *Payload) String() string { return "access token of " + p.Subject() }

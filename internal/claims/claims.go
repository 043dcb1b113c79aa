// Package claims reads what tokens say, and keeps it small.
package claims

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Set is one token's claims. It keeps what came in and parses it when
// somebody first asks, since most requests ask for nothing. It never changes,
// so requests share it by pointer.
type Set struct {
	subject string // "sub", if it is known without parsing
	source  Text
	once    sync.Once      // guards values, once they are asked for
	values  map[string]any // nil until then, unless the token was verified here
}

// New makes a set. The subject may be "" and the values nil where they are not
// known yet.
func New(source Text, subject string, values map[string]any) *Set {
	return &Set{source: source, subject: subject, values: values}
}

// Init makes a set in memory that is part of something else: a set must not be copied
// there, since it holds a lock.
func (s *Set) Init(source Text, subject string) { s.source, s.subject = source, subject }

// Source is what the claims are read from.
func (s *Set) Source() Text { return s.source }

// Parsed are all claims. Nobody may change them.
func (s *Set) Parsed() map[string]any {
	s.once.Do(func() {
		if s.values != nil {
			return // parsed already, to verify the token
		}
		if json.Unmarshal(s.source.Expand(), &s.values) != nil {
			s.values = nil // no claims: every accessor answers with its zero value
		}
	})
	return s.values
}

// Sub is the one claim that nearly every handler asks for.
func (s *Set) Sub() string {
	if s.subject != "" {
		return s.subject
	}
	return s.Text("sub")
}

// Text is a claim that is a string, or "".
func (s *Set) Text(name string) string {
	value, _ := s.Parsed()[name].(string)
	return value
}

// Bool is strict: of "email_verified": "false", only the type is true.
func (s *Set) Bool(name string) bool {
	value, _ := s.Parsed()[name].(bool)
	return value
}

// Time is a claim that is a number of seconds since 1970, or the zero time.
func (s *Set) Time(name string) time.Time {
	seconds, ok := s.Parsed()[name].(float64)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// Texts reads a claim that is an array of strings. Anything else is no such
// claim: a string "admin" is not the group admin.
func (s *Set) Texts(name string) []string {
	list, _ := s.Parsed()[name].([]any)
	texts := make([]string, 0, len(list))
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil
		}
		texts = append(texts, text)
	}
	return texts
}

// Contains reports whether a claim is an array of strings with this one in it. It judges
// as Texts does, but copies nothing: guards ask it at every request.
func (s *Set) Contains(name, text string) bool {
	list, _ := s.Parsed()[name].([]any)
	found := false
	// To the end, although it may be found: one item that is no string spoils the claim.
	for _, item := range list {
		value, ok := item.(string)
		if !ok {
			return false
		}
		found = found || value == text
	}
	return found
}

// HasScope reports whether exactly this scope was granted.
func (s *Set) HasScope(name string) bool {
	// At blanks alone (RFC 6749 section 3.3): other spaces are part of a name. Between two
	// blanks there is an empty text, which is no scope.
	for scope := range strings.SplitSeq(s.Text("scope"), " ") {
		if scope == name && scope != "" {
			return true
		}
	}
	return false
}

// Copied returns a claim that the caller may change without others seeing it.
func (s *Set) Copied(name string) any { return deepCopy(s.Parsed()[name]) }

// deepCopy copies maps and lists. Nothing else in parsed JSON can be changed.
func deepCopy(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := maps.Clone(value)
		for name := range copied {
			copied[name] = deepCopy(copied[name])
		}
		return copied
	case []any:
		copied := slices.Clone(value)
		for i := range copied {
			copied[i] = deepCopy(copied[i])
		}
		return copied
	}
	return value
}

// protocolClaims are about the ID token, not about the user. auth_time is not among them:
// it says when the user proved who they are, and a guard for fresh logins asks for it.
var protocolClaims = []string{
	"iss", "aud", "exp", "iat", "nonce", "at_hash", "jti", "origin_jti", "event_id", "token_use",
}

// OnlyInUserInfo are the claims of userInfo that the ID token lacks. Only those are kept
// for the session: a claim that was in both, and is missing from a later ID token, must
// not come back from userInfo's response at login.
func OnlyInUserInfo(idToken, userInfo []byte) ([]byte, error) {
	var known, further map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(idToken, &known), json.Unmarshal(userInfo, &further)); err != nil {
		return nil, err
	}
	maps.DeleteFunc(further, func(name string, _ json.RawMessage) bool { return known[name] != nil })
	return json.Marshal(further)
}

// OfUser merges the claims of the ID token with those of userInfo, which
// may be nil. The ID token's win, since they are signed. Values are copied as
// they stand, so that no number loses digits on the way. Claims about the token, and
// those named in without, are left out.
func OfUser(idToken, userInfo []byte, without ...string) ([]byte, error) {
	merged := map[string]json.RawMessage{}
	// The last one wins: Unmarshal keeps what the map already has under other names.
	for _, source := range [][]byte{userInfo, idToken} {
		if len(source) == 0 {
			continue
		}
		if err := json.Unmarshal(source, &merged); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Concat(protocolClaims, without) {
		delete(merged, name)
	}
	for _, name := range []string{"email_verified", "phone_number_verified"} {
		// userInfo sends these as strings, the ID token as booleans.
		switch string(merged[name]) {
		case `"true"`:
			merged[name] = json.RawMessage("true")
		case `"false"`:
			merged[name] = json.RawMessage("false")
		}
	}
	return json.Marshal(merged)
}

package session

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/packed"
	"github.com/bar-tech/cognito/internal/secret"
)

// A session may be kept in its cookie alone. Its claims are those of its tokens, so both
// records are built from the tokens and little else.

// Sealer writes sessions into the values of cookies, and reads them. It is immutable. How a
// value is split among cookies is for package engine.
type Sealer struct {
	seal *secret.CookieSealer
	book *packed.Book
}

// NewSealer needs what sessions are bound to, and the book of the pool and the client.
func NewSealer(keys secret.Keys, binding string, book *packed.Book) *Sealer {
	return &Sealer{secret.NewCookieSealer(keys, "session", binding), book}
}

// Carried is the session that a cookie carries.
type Carried struct {
	ID   ID
	Hot  Hot  // with views into what was opened
	Cold Cold // with one refresh token at most
	// OldKey tells that it was sealed with a key that only opens now.
	OldKey bool
}

// Format prints no secret.
func (Carried) Format(f fmt.State, _ rune) { secret.Hide(f, "session") }

// Seal is the value that carries a session. Of several refresh tokens it takes the
// likeliest. What is sealed is
//
//	32 bytes of the session's ID
//	the serial as a uvarint, seven moments as varints
//	the nonce and what userInfo added, each with its length
//	the access, the ID and the refresh token, packed
//
// Subject, claims and Renewable follow from these. What is spent, further candidates and
// tokens that wait for keys are left out.
func (s *Sealer) Seal(id ID, hot Hot, cold Cold) string {
	random, ok := secret.RandomOf(id[:])
	if !ok {
		panic("cognito: a session id of our own making is malformed")
	}
	b := append([]byte(nil), random[:]...)
	b = binary.AppendUvarint(b, hot.Serial)
	for _, m := range hot.inOrder() {
		b = binary.AppendVarint(b, int64(*m))
	}
	b = appendPart(b, []byte(cold.Nonce.Reveal()))
	b = appendPart(b, hot.UserInfo.Expand())
	return s.seal.Seal(append(b, s.book.Pack(cold.Access.Reveal(), cold.ID.Reveal(), cold.Refresh.First().Reveal())...))
}

// randomSize is what is random of a session id.
const randomSize = 32

var errNoTokens = errors.New("the cookie holds no tokens in Cognito's format")

// Open reverses Seal.
func (s *Sealer) Open(value []byte) (c Carried, err error) {
	plain, first, err := s.seal.Open(value)
	if err != nil {
		return c, err
	}
	c.OldKey = !first
	if len(plain) < randomSize {
		return c, errShortRecord
	}
	// An ID has one spelling, so this is the one that it was sealed with.
	base64.RawURLEncoding.Encode(c.ID[:], plain[:randomSize])
	r := recordReader{rest: plain[randomSize:]}
	c.Hot.Serial = r.number()
	for _, m := range c.Hot.inOrder() {
		*m = r.moment()
	}
	c.Cold.Nonce = secret.Text(r.part())
	userInfo := r.part()
	if r.err != nil {
		return c, r.err
	}
	tokens, err := s.book.Unpack(r.rest, 3)
	if err != nil {
		return c, err
	}
	c.Cold.Access, c.Cold.ID, c.Cold.Refresh = secret.Text(tokens[0]), secret.Text(tokens[1]), NewCandidates(secret.Text(tokens[2]))
	return c, c.readClaims(userInfo)
}

// readClaims takes the hot record's claims from the tokens. They were verified
// before they were sealed, so the signature is not verified again. The claims are made as
// at the login: see [claims.OfUser].
func (c *Carried) readClaims(userInfo []byte) error {
	payload, user := claimsIn(c.Cold.Access), claimsIn(c.Cold.ID)
	if payload == nil || user == nil {
		return errNoTokens
	}
	merged, err := claims.OfUser(user, userInfo)
	if err != nil {
		return errNoTokens
	}
	c.Hot.Renewable = c.Cold.Refresh.First() != ""
	c.Hot.User, c.Hot.Payload = claims.Text{Bytes: merged}, claims.Text{Bytes: payload}
	if len(userInfo) > 0 {
		c.Hot.UserInfo = claims.Text{Bytes: userInfo}
	}
	c.Hot.Subject = claims.New(c.Hot.Payload, "", nil).Text("sub")
	return nil
}

// claimsIn are the claims of a JWT, or nil. Nothing is verified.
func claimsIn(token secret.Text) []byte {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	return payload
}

// Adopt takes a session from a request's cookie if it is newer: the one here may have
// been renewed since that cookie was set, and the one in the cookie may have been
// renewed by another instance. The caller has checked that it has not ended here. No
// tombstone is looked for: other instances leave none in this process's memory.
func (s *Store) Adopt(c Carried, now time.Time) error {
	s.limit(&c.Hot)
	if c.Hot.until.Passed(now) || c.Hot.IdleUntil.Passed(now) {
		return errOver
	}
	handle, ok := s.Handle(c.ID[:])
	if !ok {
		return ErrNoSession
	}
	// One request at a time: another one that adopts the same session may renew it before
	// this one writes what it has found absent.
	adopting := &s.adopting[int(c.ID[0])%len(s.adopting)]
	adopting.Lock()
	defer adopting.Unlock()
	hot, cold, err := s.Fresh(handle)
	switch theirs := c.Cold.Refresh.First(); {
	case fault.IsUnknown(err):
		return err
	case err != nil: // nothing of it is here, or not any more
		_, err = s.write(handle, c.Hot, &c.Cold)
		return err
	// Without rotation, the token stays the same, and claims alone tell that another instance
	// has renewed. Else ours would be put back into the cookie, with groups taken away since.
	case cold.Refresh.Knows(theirs) && !c.isNewer(hot):
		return nil // our newest cookie, an older one, or one without a refresh token
	}
	// Another instance has renewed the same cookie. Of two children of one refresh
	// token, the last one is valid, and the next renewal tries both.
	if c.isNewer(hot) {
		c.Cold.Refresh = c.Cold.Refresh.With(cold.Refresh)
		_, err = s.write(handle, c.Hot, &c.Cold)
		return err
	}
	cold.Refresh = cold.Refresh.With(c.Cold.Refresh)
	return s.writeCold(handle, hot.Record(), &cold)
}

// isNewer reports whether a cookie's session was renewed later than the one here.
func (c *Carried) isNewer(here *Session) bool {
	return here.Serial < c.Hot.Serial || (here.Serial == c.Hot.Serial && here.Expires < c.Hot.Expires)
}

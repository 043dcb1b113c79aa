package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/packed"
	"github.com/bar-tech/cognito/internal/secret"
)

// Hot is what every request of a session reads: who is signed in and
// until when. It is small and takes no parsing beyond lengths.
type Hot struct {
	Serial uint64 // grows with every renewal of the tokens
	Moments
	Renewable bool        // there is a refresh token
	Subject   string      // the user's "sub", which is asked for more than all the rest
	User      claims.Text // the user's claims
	Payload   claims.Text // the access token's claims
	UserInfo  claims.Text // what userInfo added at login, or nothing
}

// Moments are the times of a session.
type Moments struct {
	Began      moment // when the visitor signed in
	Used       moment // when the idle deadline last moved
	IdleUntil  moment // moves as the session is used
	until      moment // never moves, unless limit brings it forward
	TouchAfter moment // when use moves IdleUntil again
	RenewAfter moment // when the tokens should be renewed
	Expires    moment // when the first of the tokens expires
}

// moment is a time as records hold it, in Unix milliseconds: every open session
// has several, and requests compare them.
type moment int64

// MomentOf is a time as a record holds it.
func MomentOf(t time.Time) moment { return moment(t.UnixMilli()) }

// Time is the moment as a time.
func (m moment) Time() time.Time { return time.UnixMilli(int64(m)) }

// Passed reports whether the moment has come.
func (m moment) Passed(now time.Time) bool { return MomentOf(now) >= m }

// Cold is read at refresh and at logout, and when a handler wants a raw token.
type Cold struct {
	Access  secret.Text
	ID      secret.Text
	Nonce   secret.Text
	Refresh Candidates
	// A renewal whose tokens could not be verified yet, because no keys were
	// to be had. Its refresh token is already among the candidates.
	UnverifiedAccess secret.Text
	UnverifiedID     secret.Text
}

// Format prints no secret.
func (Cold) Format(f fmt.State, _ rune) { secret.Hide(f, "cold record") }

// Waits reports whether tokens wait for their verification, and have not expired
// meanwhile: then they are worth nothing, and their refresh token brings others.
func (c *Cold) Waits(now time.Time) bool {
	for _, token := range []secret.Text{c.UnverifiedAccess, c.UnverifiedID} {
		if token != "" && !expires(token).After(now) {
			return false
		}
	}
	return c.UnverifiedAccess != ""
}

// IDExpires is when the ID token expires.
func (c *Cold) IDExpires() time.Time { return expires(c.ID) }

func expires(token secret.Text) time.Time {
	return claims.New(claims.Text{Bytes: claimsIn(token)}, "", nil).Time("exp")
}

var errShortRecord = errors.New("record is truncated")

// first is the first of the moments at which something is due. Until then a request only
// compares the time with it.
func (m *Moments) first() moment {
	return min(m.IdleUntil, m.until, m.TouchAfter, m.RenewAfter, m.Expires)
}

// inOrder is the order of the record's format, and of the format of a session in a cookie.
func (m *Moments) inOrder() [7]*moment {
	return [7]*moment{&m.Began, &m.Used, &m.IdleUntil, &m.until, &m.TouchAfter, &m.RenewAfter, &m.Expires}
}

// encode writes the record, with claims as short as the dictionary makes them:
//
//	serial    uvarint
//	moments   seven varints, see inOrder
//	flags     one byte
//	parts     subject, user, payload, userInfo; each its length as a uvarint, and its bytes
//
// A release that writes anything else must seal with another version (package secret).
func (h *Hot) encode(dictionary *claims.Dictionary) []byte {
	parts, short := h.shortParts(dictionary)
	// 128 bytes hold the numbers, the subject and the lengths.
	b := make([]byte, 0, 128+len(parts[0])+len(parts[1])+len(parts[2]))
	b = binary.AppendUvarint(b, h.Serial)
	for _, m := range h.inOrder() {
		b = binary.AppendVarint(b, int64(*m))
	}
	flags := byte(0)
	if h.Renewable {
		flags |= flagRenewable
	}
	if short {
		flags |= flagShort
	}
	b = appendPart(append(b, flags), []byte(h.Subject))
	for _, part := range parts {
		b = appendPart(b, part)
	}
	return b
}

const (
	flagRenewable = 1 << iota // see Hot
	flagShort                 // the claims are shortened
)

// shortParts are the claims as they are stored, all shortened or none: one flag of the record
// stands for all three.
func (h *Hot) shortParts(dictionary *claims.Dictionary) (parts [3][]byte, short bool) {
	for i, claims := range []claims.Text{h.User, h.Payload, h.UserInfo} {
		if parts[i], short = claims.Compact(dictionary); !short {
			return [3][]byte{h.User.Expand(), h.Payload.Expand(), h.UserInfo.Expand()}, false
		}
	}
	return parts, true
}

// decodeHot reads what encode has written. The claims are views into b, which then belongs
// to the record.
func decodeHot(b []byte, dictionary *claims.Dictionary) (Hot, error) {
	r := recordReader{rest: b}
	h := Hot{Serial: r.number()}
	for _, m := range h.inOrder() {
		*m = r.moment()
	}
	flags := r.octet()
	h.Renewable = flags&flagRenewable != 0
	if flags&flagShort == 0 {
		dictionary = nil
	}
	h.Subject = string(r.part())
	for _, raw := range []*claims.Text{&h.User, &h.Payload, &h.UserInfo} {
		*raw = claims.Text{Bytes: r.part(), Dictionary: dictionary}
	}
	return h, r.err
}

// undeflated packs without deflating, which takes ten times as long: handlers that ask for
// a token read the record.
var undeflated *packed.Book

// encode writes the record. Absent tokens are written as empty ones.
func (c *Cold) encode() []byte {
	var tokens []string
	for _, part := range c.parts() {
		tokens = append(tokens, part.Reveal())
	}
	return undeflated.Pack(tokens...)
}

func decodeCold(b []byte) (Cold, error) {
	var c Cold
	parts := c.parts()
	tokens, err := undeflated.Unpack(b, len(parts))
	if err != nil {
		return c, fmt.Errorf("%w: %w", errShortRecord, err)
	}
	for i, part := range parts {
		*part = secret.Text(tokens[i])
	}
	return c, nil
}

// parts is the order of the record's format.
func (c *Cold) parts() []*secret.Text {
	// The fingerprints are random bytes and no token. Packing takes any text.
	parts := []*secret.Text{&c.Access, &c.ID, &c.Nonce, &c.UnverifiedAccess, &c.UnverifiedID, &c.Refresh.spent}
	for i := range c.Refresh.list {
		parts = append(parts, &c.Refresh.list[i])
	}
	return parts
}

// appendPart writes a length and as many bytes, which recordReader.part reads.
func appendPart(b, part []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(part)))
	return append(b, part...)
}

// recordReader reads a record from front to back. Its error stays, and what it yields then
// is worth nothing but harms nothing, so callers check once, at the end.
type recordReader struct {
	rest []byte
	err  error
}

func (r *recordReader) number() uint64 {
	value, size := binary.Uvarint(r.rest)
	if !r.skip(size) {
		return 0
	}
	return value
}

func (r *recordReader) moment() moment {
	value, size := binary.Varint(r.rest)
	if !r.skip(size) {
		return 0
	}
	return moment(value)
}

func (r *recordReader) octet() byte {
	if len(r.rest) == 0 {
		r.err = errShortRecord
		return 0
	}
	value := r.rest[0]
	r.rest = r.rest[1:]
	return value
}

func (r *recordReader) part() []byte {
	size := r.number()
	if size > uint64(len(r.rest)) {
		r.err = errShortRecord
		return nil
	}
	part := r.rest[:size:size] // whoever appends to it does not write over what comes next
	r.rest = r.rest[size:]
	return part
}

// skip leaves a number behind. size is what encoding/binary says that it took: zero if the
// record ends within it, less if it does not fit into 64 bits.
func (r *recordReader) skip(size int) bool {
	if size <= 0 {
		r.err = errShortRecord
		r.rest = nil
		return false
	}
	r.rest = r.rest[size:]
	return true
}

// RenewAfter leaves a quarter of the tokens' life, give or take a twentieth,
// so that sessions that began together are not renewed together. Tokens that
// arrive nearly or wholly expired are not asked for more than once a second.
func RenewAfter(now, expires time.Time) time.Time {
	life := expires.Sub(now)
	share := 0.75 + 0.05*(2*rand.Float64()-1)
	return now.Add(max(time.Second, time.Duration(float64(life)*share)))
}

// Earlier is the first of two times.
func Earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

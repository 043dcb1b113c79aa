package login

import (
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/bar-tech/cognito/internal/secret"
)

// An attempt as bytes, short enough for a cookie: flags, verifier, nonce, numbers,
// and then texts, each after its length. They have no version of their own, since
// secret.SealVersion is the version of all that is sealed.

const (
	flagSilent = 1 << iota
	flagFresh
	flagMFA
)

var errAttemptMalformed = errors.New("the record of a login is malformed")

// encode writes the record. Verifier and nonce are texts of secret.Random, so that the 32
// bytes that each of them stands for are enough.
func (begun Attempt) encode() []byte {
	verifier, _ := secret.RandomOf([]byte(begun.Verifier))
	nonce, _ := secret.RandomOf([]byte(begun.Nonce))
	flags := byte(0)
	if begun.Silent {
		flags |= flagSilent
	}
	if begun.Fresh {
		flags |= flagFresh
	}
	if begun.MFA {
		flags |= flagMFA
	}
	plain := append([]byte{flags}, verifier[:]...)
	plain = append(plain, nonce[:]...)
	plain = binary.AppendVarint(plain, begun.Began)
	plain = binary.AppendVarint(plain, begun.Proved)
	plain = binary.AppendVarint(plain, begun.MaxAge)
	for _, text := range []string{begun.Whose, begun.Levels, begun.Base, begun.ReturnTo} {
		plain = binary.AppendUvarint(plain, uint64(len(text)))
		plain = append(plain, text...)
	}
	return plain
}

// decodeAttempt reverses encode. It must not panic, whatever the bytes are: that they are
// authentic does not mean that this release has written them.
func decodeAttempt(plain []byte) (Attempt, error) {
	const fixed = 1 + 32 + 32
	if len(plain) < fixed {
		return Attempt{}, errAttemptMalformed
	}
	begun := Attempt{
		Verifier: base64.RawURLEncoding.EncodeToString(plain[1:33]), Nonce: base64.RawURLEncoding.EncodeToString(plain[33:fixed]),
		Silent: plain[0]&flagSilent != 0, Fresh: plain[0]&flagFresh != 0, MFA: plain[0]&flagMFA != 0,
	}
	rest := plain[fixed:]
	// In the order of encode, as are the texts.
	for _, number := range []*int64{&begun.Began, &begun.Proved, &begun.MaxAge} {
		value, n := binary.Varint(rest)
		if n <= 0 {
			return Attempt{}, errAttemptMalformed
		}
		*number, rest = value, rest[n:]
	}
	for _, text := range []*string{&begun.Whose, &begun.Levels, &begun.Base, &begun.ReturnTo} {
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) {
			return Attempt{}, errAttemptMalformed
		}
		rest = rest[n:]
		*text, rest = string(rest[:length]), rest[length:]
	}
	if len(rest) > 0 {
		return Attempt{}, errAttemptMalformed
	}
	return begun, nil
}

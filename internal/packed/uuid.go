package packed

import (
	"bytes"

	"github.com/bar-tech/cognito/internal/claims"
)

// Cognito names everything by UUIDs: users, sign-ins, tokens. In hexadecimal they
// cost half as much again as their bytes, however well they are compressed.

const (
	// markOfUUID stands in the text for a UUID, before the number of the UUID. It
	// is no part of JSON (RFC 8259 section 7), nor of a token.
	markOfUUID = 0
	// mostUUIDs is what one byte can number, less one value: 255 means that a text is no
	// UUID, or one too many. Further UUIDs are left in the text.
	mostUUIDs = 255
)

// withoutUUIDs returns the text with marks in their place, and the bytes of the
// UUIDs, each once: the access and the ID token of one login name the same user, sign-in
// and event.
func withoutUUIDs(text []byte) (short, ids []byte) {
	if bytes.IndexByte(text, markOfUUID) >= 0 {
		return text, nil // a token of some other make
	}
	for len(text) > 0 {
		id, is := claims.UUIDAt(text)
		number := mostUUIDs
		if is {
			number = numberOf(ids, id)
		}
		if number == mostUUIDs {
			short, text = append(short, text[0]), text[1:]
			continue
		}
		if number*len(id) == len(ids) { // not among them yet
			ids = append(ids, id...)
		}
		short, text = append(short, markOfUUID, byte(number)), text[claims.UUIDLength:]
	}
	return short, ids
}

// numberOf is where id is in ids, or would be.
func numberOf(ids, id []byte) (number int) {
	for ; number*len(id) < len(ids); number++ {
		if bytes.Equal(ids[number*len(id):][:len(id)], id) {
			return number
		}
	}
	return number
}

// withUUIDs reverses withoutUUIDs.
func withUUIDs(short, ids []byte) (text []byte, err error) {
	if len(ids) == 0 {
		return short, nil // a zero byte in it is the token's own, see withoutUUIDs
	}
	for len(short) > 0 {
		if short[0] != markOfUUID {
			text, short = append(text, short[0]), short[1:]
			continue
		}
		if len(short) < 2 || 16*int(short[1])+16 > len(ids) {
			return nil, errMalformed
		}
		text, short = claims.AppendUUID(text, ids[16*int(short[1]):][:16]), short[2:]
	}
	return text, nil
}

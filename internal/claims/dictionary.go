package claims

import (
	"bytes"
	"strings"
)

// Half of a session's claims are the same in every session of an app, and most of the
// rest are UUIDs in hexadecimal. The storage is read at every request and copies its
// records. So records replace such phrases with bytes that JSON never contains.

// Text is claims, as JSON or shortened, or nothing. Those that come from the
// storage are left as they are there: few requests ask for more than the
// subject, and what is open in memory stays small.
type Text struct {
	Bytes      []byte
	Dictionary *Dictionary // with which text was shortened, or nil
}

// Expand returns the JSON, which is the caller's own.
func (t Text) Expand() []byte {
	if t.Dictionary == nil {
		return bytes.Clone(t.Bytes)
	}
	return t.Dictionary.lengthen(t.Bytes)
}

// Compact is how the claims are stored; see [Dictionary].
func (t Text) Compact(dictionary *Dictionary) (short []byte, ok bool) {
	if t.Dictionary == dictionary {
		return t.Bytes, true
	}
	return dictionary.shorten(t.Expand())
}

// Dictionary writes claims short and long again. In a short text, one byte stands for a
// phrase, and byteOfUUID and sixteen bytes for a UUID. All other bytes stand for
// themselves. It depends on nothing but the pool and the client, to which records are
// sealed: a record that opens was written with the same dictionary.
type Dictionary struct {
	Phrases []string
	codes   []byte      // the bytes that stand for them, in the same order
	long    [256]string // phrases by their byte
}

// byteOfUUID stands before the sixteen bytes of a UUID. JSON escapes control characters
// (RFC 8259 section 7), so it never contains this one.
const byteOfUUID = 0

// commonPhrases are those of every pool. Their order is part of the record's
// format: new ones go to the end, and of two that begin alike the longer one
// comes first. There are 41 codes. A release without a phrase would take its code for the
// text itself.
var commonPhrases = []string{
	`,"scope":"openid email profile"`, `,"scope":"`, `,"cognito:groups":["`, `,"cognito:username":"`, `,"cognito:`,
	`,"email_verified":true`, `,"email_verified":false`, `,"email":"`, `,"event_id":"`, `,"origin_jti":"`, `,"jti":"`,
	`{"auth_time":`, `,"auth_time":`, `,"exp":`, `,"iat":`, `{"sub":"`, `,"sub":"`, `,"token_use":"access"`, `,"username":"`,
	`,"version":2`, `,"name":"`, `,"given_name":"`, `,"family_name":"`, `,"custom:`, `,"phone_number":"`,
	`,"phone_number_verified":true`, `,"phone_number_verified":false`, `,"preferred_username":"`, `,"locale":"`, `,"identities":[{"`,
}

// NewDictionary is the dictionary of a client and of the issuers that its pool has by
// default. What is configured must not be in it: a session outlives a change of that.
func NewDictionary(clientID string, issuers ...string) *Dictionary {
	// These come before the common ones. So their number, too, is part of the format: with
	// one more, every common phrase would have another code.
	var own []string
	for _, issuer := range issuers {
		escaped := strings.ReplaceAll(issuer, "/", `\/`) // as Cognito writes it
		own = append(own, `,"iss":"`+issuer+`"`, `,"iss":"`+escaped+`"`)
	}
	own = append(own, `,"client_id":"`+clientID+`"`)
	b := &Dictionary{Phrases: append(own, commonPhrases...), codes: phraseCodes()}
	for i, phrase := range b.Phrases {
		b.long[b.codes[i]] = phrase
	}
	return b
}

// phraseCodes are the bytes that stand for phrases: control characters, which
// JSON escapes, and those that UTF-8 does not use (RFC 3629 section 1). JSON allows
// tabs and line ends between its tokens, so these are no codes.
func phraseCodes() []byte {
	var codes []byte
	for code := 1; code < 256; code++ {
		isControl := code < ' ' && code != '\t' && code != '\n' && code != '\r'
		if isControl || code == 0xc0 || code == 0xc1 || code >= 0xf5 {
			codes = append(codes, byte(code))
		}
	}
	return codes
}

// shorten returns claims as they are stored. ok is false if they contain bytes
// that stand for something else, so that they would not come back.
func (b *Dictionary) shorten(claims []byte) (short []byte, ok bool) {
	for rest := claims; len(rest) > 0; {
		if i := b.phraseAt(rest); i >= 0 {
			short = append(short, b.codes[i])
			rest = rest[len(b.Phrases[i]):]
		} else if id, isUUID := UUIDAt(rest); isUUID {
			short = append(append(short, byteOfUUID), id...)
			rest = rest[UUIDLength:]
		} else {
			short = append(short, rest[0])
			rest = rest[1:]
		}
	}
	return short, bytes.Equal(b.lengthen(short), claims)
}

// phraseAt is the number of the first phrase that text begins with, or -1. The text must
// not be empty.
func (b *Dictionary) phraseAt(text []byte) int {
	if text[0] != ',' && text[0] != '{' {
		return -1 // as no phrase begins
	}
	for i, phrase := range b.Phrases {
		if len(text) >= len(phrase) && string(text[:len(phrase)]) == phrase {
			return i
		}
	}
	return -1
}

// lengthen reverses shorten. It takes any bytes: a mark with less than a UUID behind it
// stands for itself.
func (b *Dictionary) lengthen(short []byte) []byte {
	long := make([]byte, 0, 3*len(short))
	for i := 0; i < len(short); i++ {
		switch code := short[i]; {
		case code == byteOfUUID && len(short)-i > 16:
			long = AppendUUID(long, short[i+1:i+17])
			i += 16
		case b.long[code] != "":
			long = append(long, b.long[code]...)
		default:
			long = append(long, code)
		}
	}
	return long
}

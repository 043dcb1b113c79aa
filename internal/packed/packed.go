// Package packed writes tokens short, so that a whole session fits into one cookie, and
// a storage holds a quarter more of them.
//
// Nothing is written twice. A JWT is base64url of JSON and of a signature (RFC 7515
// section 3.1). A refresh token of Cognito is base64url of five parts, four of which are
// random (RFC 7516 section 3.1). So JSON is deflated, all of it together and with a
// dictionary of what every pool writes, and random parts are kept as bytes. Anything in
// another form is kept unchanged.
package packed

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// Book is the text that packing takes for known: deflate refers to it as if it stood
// before the packed text. So any change of it makes older cookies unreadable. It depends
// on the pool and the client alone, to which whatever holds packed tokens is sealed. A nil
// Book does not deflate: what it packs is longer by half, and packed in a tenth of the time.
type Book struct{ text []byte }

// NewBook is the book of a pool and a client.
func NewBook(clientID string, issuers ...string) *Book {
	text := commonText
	for _, issuer := range issuers {
		text += `,"iss":"` + issuer + `","iss":"` + strings.ReplaceAll(issuer, "/", `\/`) + `"` // as Cognito writes it
	}
	return &Book{[]byte(text + `,"aud":"` + clientID + `","client_id":"` + clientID + `"`)}
}

// commonText is what tokens of every pool have in common, the rarest first: what
// is nearest costs least. The times in it begin as times do until January 2027.
const commonText = `{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}` +
	`,"identities":[{"dateCreated":"17","userId":"","providerName":"Google","providerType":"SAML","providerType":"OIDC","issuer":null,"primary":"true"}]` +
	`,"cognito:preferred_role":"arn:aws:iam::","cognito:roles":["arn:aws:iam::` +
	`,"birthdate":","zoneinfo":","locale":","picture":"https:\/\/,"nickname":","updated_at":17,"phone_number_verified":false,"phone_number_verified":true,"phone_number":"+` +
	`,"preferred_username":","family_name":","given_name":","custom:,"nonce":","at_hash":","device_key":"` +
	`,"email_verified":false,"email_verified":true,"cognito:username":","cognito:groups":["admin","username":","version":2` +
	`,"token_use":"access","scope":"aws.cognito.signin.user.admin phone openid email profile","auth_time":17,"exp":17,"iat":17` +
	`,"jti":","origin_jti":","event_id":","token_use":"id","name":","email":"@example.com@gmail.com"}{"kid":"=","alg":"RS256"}{"sub":"`

// A part of a token is written as one of these.
const (
	asText   = iota // as it stands, with the text
	asJSON          // its bytes, with the text
	asRandom        // its bytes, which nothing makes shorter
	kinds           // how many there are
)

// Pack writes tokens short. What it returns holds them byte for byte:
//
//	length of the heads, the heads   of each token the number of its parts, then for
//	                                 each part its length times kinds plus its kind
//	length of the UUIDs, the UUIDs   sixteen bytes each, see withoutUUIDs
//	the random parts                 whose lengths are in the heads
//	all other parts, deflated        to the end
//
// All numbers are uvarints. Random parts are not deflated: they would get longer.
func (b *Book) Pack(tokens ...string) []byte {
	var heads, random, text []byte
	for _, token := range tokens {
		parts := strings.Split(token, ".")
		heads = binary.AppendUvarint(heads, uint64(len(parts)))
		for _, part := range parts {
			kind, raw := formOf(part)
			heads = binary.AppendUvarint(heads, uint64(len(raw)*kinds+kind))
			if kind == asRandom {
				random = append(random, raw...)
			} else {
				text = append(text, raw...)
			}
		}
	}
	short, ids := b.shorten(text)
	packed := binary.AppendUvarint(nil, uint64(len(heads)))
	packed = append(packed, heads...)
	packed = binary.AppendUvarint(packed, uint64(len(ids)))
	packed = append(append(packed, ids...), random...)
	return append(packed, short...)
}

// formOf chooses how a part is written. JSON begins with a brace; what else decodes is a
// signature, or one of the random parts of a refresh token.
func formOf(part string) (kind int, raw []byte) {
	raw, err := encoding.DecodeString(part)
	switch {
	case err != nil || strings.ContainsAny(part, "\r\n"): // which decoding skips, even if strict
		return asText, []byte(part)
	case len(raw) > 0 && raw[0] == '{':
		return asJSON, raw
	}
	return asRandom, raw
}

// encoding is strict: of the spellings that differ in unused bits alone, only the one
// that encoding yields again may count, or a token would come back changed.
var encoding = base64.RawURLEncoding.Strict()

var errMalformed = errors.New("packed tokens are truncated or malformed")

// most is how much text is unpacked: far more than Cognito puts into tokens.
const most = 1 << 20

// Unpack reverses Pack, for as many tokens as there were.
func (b *Book) Unpack(packed []byte, tokens int) ([]string, error) {
	heads, rest, ok := block(packed)
	if !ok {
		return nil, errMalformed
	}
	ids, rest, ok := block(rest)
	if !ok {
		return nil, errMalformed
	}
	// The heads come first because they say how many bytes of the rest are random.
	shapes, random, err := readHeads(heads, tokens)
	if err != nil || random > len(rest) {
		return nil, errMalformed
	}
	text, err := b.restore(rest[random:], ids)
	if err != nil {
		return nil, err
	}
	return assemble(shapes, rest[:random], text)
}

// block reads a length and as many bytes. It is ok only if they are all there.
func block(b []byte) (block, rest []byte, ok bool) {
	length, size := binary.Uvarint(b)
	if size <= 0 || length > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size : size+int(length)], b[size+int(length):], true
}

// shape is how a part is written, and how long that is.
type shape struct{ kind, length int }

// readHeads also returns how many bytes are random. After an error, next yields zeros, so
// the loops end. No number may exceed what stands for a part of most bytes.
func readHeads(heads []byte, tokens int) (shapes [][]shape, random int, err error) {
	next := func() int {
		number, size := binary.Uvarint(heads)
		if size <= 0 || number > kinds*most {
			err, heads = errMalformed, nil
			return 0
		}
		heads = heads[size:]
		return int(number)
	}
	for range tokens {
		var token []shape
		for parts := next(); parts > 0 && err == nil; parts-- {
			head := next()
			token = append(token, shape{head % kinds, head / kinds})
			if head%kinds == asRandom {
				random += head / kinds
			}
		}
		shapes = append(shapes, token)
	}
	if len(heads) > 0 {
		err = errMalformed
	}
	return shapes, random, err
}

// assemble makes the tokens of their parts. Parts beyond the end of what was unpacked are
// an error: restore leaves it to this to notice that text was cut off.
func assemble(shapes [][]shape, random, text []byte) ([]string, error) {
	tokens := make([]string, 0, len(shapes))
	// One buffer serves all tokens, each of which is copied out of it.
	token := make([]byte, 0, encoding.EncodedLen(len(random)+len(text)))
	for _, parts := range shapes {
		token = token[:0]
		for i, part := range parts {
			from := &text // moves on in either of the two
			if part.kind == asRandom {
				from = &random
			}
			if part.length > len(*from) {
				return nil, errMalformed
			}
			if i > 0 {
				token = append(token, '.')
			}
			raw := (*from)[:part.length]
			*from = (*from)[part.length:]
			if part.kind == asText {
				token = append(token, raw...)
			} else {
				token = encoding.AppendEncode(token, raw)
			}
		}
		tokens = append(tokens, string(token))
	}
	return tokens, nil
}

// shorten also returns the bytes of the text's UUIDs.
func (b *Book) shorten(text []byte) (short, ids []byte) {
	if b == nil {
		return text, nil
	}
	text, ids = withoutUUIDs(text)
	var deflated bytes.Buffer
	w, err := flate.NewWriterDict(&deflated, flate.BestCompression, b.text)
	if err != nil {
		panic(err) // only for levels that flate does not have
	}
	_, _ = w.Write(text) // into memory
	_ = w.Close()
	return deflated.Bytes(), ids
}

// restore reverses shorten.
func (b *Book) restore(short, ids []byte) ([]byte, error) {
	if b == nil {
		return short, nil
	}
	r := flate.NewReaderDict(bytes.NewReader(short), b.text)
	defer r.Close()
	// A few kilobytes can deflate gigabytes. Beyond most the rest is missing; see assemble.
	text, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return nil, errMalformed
	}
	return withUUIDs(text, ids)
}

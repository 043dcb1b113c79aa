package claims

import (
	"bytes"
	"strings"
	"testing"
)

// testBook is that of a pool and a client.
var testBook = NewDictionary("client", "https://idp.example.com/eu-west-2_Golden")

// FuzzPhrases: whatever a pool says of a user comes back as it was, or is not
// compact at all.
func FuzzPhrases(f *testing.F) {
	for _, phrase := range testBook.Phrases {
		f.Add([]byte("{" + phrase + phrase))
	}
	for _, seed := range []string{
		"", "{}", "\x00", "\x01\xff", strings.Repeat("\x00", 40),
		`{"sub":"6d694019-0844-4cd0-aa37-4982098355e3"}`, `{"sub":"6D694019-0844-4cd0-aa37-4982098355e3"}`,
		`6d694019-0844-4cd0-aa37-4982098355e`, `6d694019-0844-4cd0-aa37-49820983-5e3`, `{"name":"Zoë 𝒳"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, claims []byte) {
		short, ok := testBook.shorten(claims)
		if long := testBook.lengthen(short); ok != bytes.Equal(long, claims) {
			t.Errorf("%q becomes %q and then %q, ok is %t", claims, short, long, ok)
		}
		_ = testBook.lengthen(claims) // nor does anything else panic
	})
}

// TestPhrasesAreWorthIt: a session's claims become half as long. What cannot be
// compact is told apart.
func TestPhrasesAreWorthIt(t *testing.T) {
	claims := []byte(`{"auth_time":1795514684,"client_id":"client","cognito:groups":["admin"],"event_id":"171af1b0-f911-4cc4-b381-78273b5732c1",` +
		`"exp":1795518284,"iat":1795514684,"iss":"https:\/\/idp.example.com\/eu-west-2_Golden","jti":"0613baf5-709c-4d45-8665-2c912dac9108",` +
		`"origin_jti":"bd0135e1-abcf-4375-9144-dc1a59a9fd65","scope":"openid email profile","sub":"6d694019-0844-4cd0-aa37-4982098355e3",` +
		`"token_use":"access","username":"alice","version":2}`)
	if short, ok := testBook.shorten(claims); !ok || 2*len(short) > len(claims) {
		t.Errorf("%d bytes become %d (%t), want half at most", len(claims), len(short), ok)
	}
	if _, ok := testBook.shorten([]byte("{\"name\":\"\x01\"}")); ok {
		t.Error("a byte that stands for something else is said to come back")
	}
}

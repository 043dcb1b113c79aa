package login

import (
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/secret"
)

// FuzzTicket: whatever an attempt's cookie holds, reading it does not panic,
// and what is accepted is written as something that is read alike.
func FuzzTicket(f *testing.F) {
	key := strings.Repeat("A", 43)
	for _, value := range []string{"", ".....", "mark.t8.0.12345678.L21l." + key, "mark.t8.0.12345678.." + key, "mark.t8.0.12345678.c2VhbGVk.", "mark.t8.-1.12345678.." + key, "mark.+1.00.12345678.." + key, "mark.zzzzzzzzzzzzz.9223372036854775807.12345678.*." + key, "a.b.c.d.e.f"} {
		f.Add(value)
	}
	a := New(Settings{Keys: secret.NewKeys(nil), Binding: "pool and client", Mark: "mark", Now: time.Now})
	f.Fuzz(func(t *testing.T, value string) {
		parsed, ok := parseTicket("name", "mark", value)
		if !ok {
			return
		}
		if len(value) > longestCarried || parsed.Again < 0 || (len(parsed.secret) != 43) == (parsed.sealed == "") {
			t.Errorf("%q is taken for %q", value, parsed.value("mark"))
		}
		if again, ok := parseTicket("name", "mark", parsed.value("mark")); !ok || again != parsed {
			t.Errorf("%q is written as %q, which is not the same", value, parsed.value("mark"))
		}
		if ring, ok := a.ring(parsed); ok && ring.Name == (secret.Name{}) {
			t.Errorf("%q opens nothing", value)
		}
		_, _ = a.Open(parsed.key, Ticket{sealed: "x" + parsed.sealed})
	})
}

// FuzzAttempt: no bytes make reading an attempt panic, and what is read is written
// as the same attempt.
func FuzzAttempt(f *testing.F) {
	f.Add(Attempt{Verifier: secret.Random(), Nonce: secret.Random(), ReturnTo: "/me", Silent: true, Began: 1, Proved: -62135596800, Whose: "sub"}.encode())
	f.Add(append(make([]byte, 67), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1))
	f.Fuzz(func(t *testing.T, plain []byte) {
		read, err := decodeAttempt(plain)
		if err != nil {
			return
		}
		if again, err := decodeAttempt(read.encode()); err != nil || again != read {
			t.Errorf("%x is read as an attempt that is not written alike: %v", plain, err)
		}
	})
}

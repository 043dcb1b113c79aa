package faults_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// TestStorageDump: somebody reads the storage, or a backup of it. Nothing in it is a
// token, an address, a verifier or of use as a cookie.
func TestStorageDump(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	transport, spied := lab.Spy(t)
	s := lab.Serve(t, lab.On(storage), spied)
	pending := s.Answered("bob") // a login in progress lies there too
	alice := s.NewSession(storage, "alice")
	dump := storage.Dump()
	if len(dump) < 3 {
		t.Fatalf("the storage holds %d records, want an attempt and two of a session", len(dump))
	}

	secrets := append(s.Canaries(), transport.Tokens()...)
	secrets = append(secrets, alice.Cookie.Value, pending.Cookie.Value, pending.State,
		"alice", "bob", "@example.com", "eyJ", "verifier", s.Pool.Config().ClientID)
	for key, value := range dump {
		for _, secret := range secrets {
			if strings.Contains(key, secret) || strings.Contains(string(value), secret) {
				t.Errorf("the storage shows %.12s… under %s", secret, key)
			}
		}
	}
	for key := range dump {
		for _, part := range strings.Split(key, "_") {
			s.MustBe("", &http.Cookie{Name: alice.Cookie.Name, Value: part})
		}
		s.MustBe("", &http.Cookie{Name: alice.Cookie.Name, Value: key})
		s.MustBe("", &http.Cookie{Name: alice.Cookie.Name, Value: key[max(0, len(key)-43):]})
	}
	s.MustBe("alice", alice.Cookie)
	s.MustBe("bob", s.Finish(pending).Cookie(lab.IsSessionCookie))
}

// TestStorageWriterSwapsRecords: whoever can write to the storage puts one visitor's
// record in the place of another's, to be taken for them.
func TestStorageWriterSwapsRecords(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice, bob := s.NewSession(storage, "alice"), s.NewSession(storage, "bob")
	honest := storage.Dump()
	restore := func() {
		for key, value := range honest {
			storage.Plant(key, value)
		}
	}

	for name, swap := range map[string]func(){
		"the other's hot record":  func() { storage.Plant(bob.Hot, honest[alice.Hot]) },
		"both of the other's":     func() { storage.Plant(bob.Hot, honest[alice.Hot]); storage.Plant(bob.Cold, honest[alice.Cold]) },
		"own cold record for hot": func() { storage.Plant(bob.Hot, honest[bob.Cold]) },
	} {
		t.Run(name, func(t *testing.T) {
			before := warnings(s)
			swap()
			s.MustBe("", bob.Cookie)
			if warnings(s) == before {
				t.Error("nothing was logged about them")
			}
			s.MustBe("alice", alice.Cookie)
			restore()
			s.MustBe("bob", bob.Cookie)
		})
	}

	// The cold record holds the tokens, so it must not be another's either.
	storage.Plant(bob.Cold, honest[alice.Cold])
	if res := s.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{bob.Cookie}}); res.StatusCode != fiber.StatusTeapot {
		t.Errorf("with another's cold record AccessToken gives %s", lab.StatusLine(res))
	}
	restore()
	if res := s.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{bob.Cookie}}); lab.ClaimsOf(t, res.Text)["sub"] != lab.Decode(t, s.Me(bob.Cookie).Text)["sub"] {
		t.Errorf("AccessToken gives bob %s", lab.StatusLine(res))
	}
}

// TestStorageWriterChangesRecords: flipped bits, cut off ends, noise, nothing and far
// too much. Such a session is over, quietly; the record stays, for whoever may be able
// to open it.
func TestStorageWriterChangesRecords(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	hot, cold := storage.Dump()[alice.Hot], storage.Dump()[alice.Cold]
	if len(hot) < 250 {
		t.Fatalf("the hot record has %d bytes; these cases need a whole one", len(hot))
	}

	type change struct {
		name  string
		value []byte
		told  bool
	}
	changes := []change{
		{"cut to a byte", hot[:1], true},
		{"cut within the nonce", hot[:8], true},
		{"cut behind the nonce", hot[:13], true},
		{"cut by half", hot[:len(hot)/2], true},
		{"cut by a byte", hot[:len(hot)-1], true},
		{"a byte more", append(slices.Clone(hot), 0), true},
		{"twice", slices.Concat(hot, hot), true},
		{"noise", append(hot[:1:1], noise(len(hot))...), true},
		{"ten megabytes", append(hot[:1:1], noise(10<<20)...), true},
		{"empty", []byte{}, false},
		{"nothing", nil, false},
	}
	for i := 1; i < len(hot); i++ {
		flipped := slices.Clone(hot)
		flipped[i] ^= 1 << (i % 8)
		changes = append(changes, change{fmt.Sprintf("bit %d of byte %d", i%8, i), flipped, true})
	}
	for _, c := range changes {
		before := warnings(s)
		storage.Plant(alice.Hot, c.value)
		storage.Plant(alice.Cold, cold)
		if res := s.Me(alice.Cookie); res.StatusCode != http.StatusUnauthorized || res.Problem(t)["code"] != "session_ended" {
			t.Errorf("%s: /me answered %s, want 401 and session_ended", c.name, lab.StatusLine(res))
		}
		if c.told && (!storage.Has(alice.Hot) || !storage.Has(alice.Cold)) {
			t.Errorf("%s: the records are gone", c.name)
		}
		if c.told && warnings(s) == before {
			t.Errorf("%s: nothing was logged", c.name)
		}
	}
	storage.Plant(alice.Hot, hot)
	storage.Plant(alice.Cold, cold)
	s.MustBe("alice", alice.Cookie)
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// TestChangedColdRecord: the record that holds the tokens is read seldom, so the
// session lasts as long as its access token and no longer.
func TestChangedColdRecord(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice, bob := s.NewSession(storage, "alice"), s.NewSession(storage, "bob")
	storage.Plant(alice.Cold, append(storage.Dump()[alice.Cold][:1:1], noise(2000)...))
	s.MustBe("alice", alice.Cookie)
	if res := s.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{alice.Cookie}}); res.StatusCode != fiber.StatusTeapot {
		t.Errorf("AccessToken gives %s", lab.StatusLine(res))
	}
	s.Pool.Advance(61 * time.Minute)
	s.MustBe("", alice.Cookie)
	s.MustBe("bob", bob.Cookie)
}

// TestTwoAppsShareOneStorage: two apps of one pool keep their sessions in one Redis.
// What one of them stores is nothing to the other, even if somebody moves it to where
// the other looks.
func TestTwoAppsShareOneStorage(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetClient(cognitotest.Client{ID: "secondclient"})
	storage := lab.NewStore()
	first := lab.ServeWith(t, pool, lab.On(storage))
	second := lab.ServeWith(t, pool, lab.On(storage), func(c *cognito.Config) { c.ClientID = "secondclient" })
	alice, bob := first.NewSession(storage, "alice"), second.NewSession(storage, "bob")

	abroad := &http.Cookie{Name: bob.Cookie.Name, Value: alice.Cookie.Value}
	before := storage.Dump()
	second.MustBe("", abroad)
	if after := storage.Dump(); len(after) != len(before) {
		t.Errorf("a foreign cookie changed the storage from %d records to %d", len(before), len(after))
	}
	storage.Plant(bob.Hot, before[alice.Hot])
	storage.Plant(bob.Cold, before[alice.Cold])
	second.MustBe("", bob.Cookie)
	first.MustBe("alice", alice.Cookie)
	storage.Plant(bob.Hot, before[bob.Hot])
	storage.Plant(bob.Cold, before[bob.Cold])
	second.MustBe("bob", bob.Cookie)
}

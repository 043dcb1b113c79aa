package attacks_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// forger has read the source of this library, knows every public id of an app,
// and may read and write its storage. What it does not have is the app's key.
// It shares no code with the package. A forger with the right key succeeds,
// which shows that the others do not fail for want of skill.
type forger struct {
	binding string   // the app's ids
	keys    [][]byte // each a guess at what stands for the app's key in a derivation
}

func (f forger) derive(purpose string, counter byte, cookie, key []byte) []byte {
	bound := sha256.Sum256([]byte("cognito/" + purpose + "\x00" + f.binding))
	message := append([]byte{0, 0, 0, counter}, cookie...)
	sum := sha256.Sum256(append(append(message, key...), bound[:16]...))
	return sum[:]
}

// named is where the session of a cookie is stored.
func (f forger) named(cookie []byte) string {
	return base64.RawURLEncoding.EncodeToString(f.derive("session", 1, cookie, nil))
}

func (f forger) cipher(t *testing.T, purpose string, cookie, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(f.derive(purpose, 2, cookie, key))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func (f forger) seal(t *testing.T, purpose string, cookie, key []byte, name string, version byte, plain []byte) []byte {
	t.Helper()
	sealed := append([]byte{version}, noise(12)...)
	return f.cipher(t, purpose, cookie, key).Seal(sealed, sealed[1:13:13], plain, []byte(name))
}

// open tries every key.
func (f forger) open(t *testing.T, purpose string, cookie []byte, name string, sealed []byte) []byte {
	t.Helper()
	for _, key := range f.keys {
		if plain, err := f.cipher(t, purpose, cookie, key).Open(nil, sealed[1:13], sealed[13:], []byte(name)); err == nil {
			return plain
		}
	}
	return nil
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func keyOf(text string) []byte {
	sum := sha256.Sum256([]byte("cognito/key\x00" + text))
	return sum[:]
}

// forgersOf are one with the app's key, and one without.
func forgersOf(s *lab.Site) (insider, outsider forger) {
	config := s.Pool.Config()
	binding := strings.Join([]string{config.UserPoolID, config.ClientID, "", "cognito_staff"}, "\x00")
	insider = forger{binding, [][]byte{keyOf(lab.Key)}}
	outsider = forger{binding, [][]byte{
		nil, {}, make([]byte, 32), keyOf(""), keyOf(lab.OtherKey), []byte(config.ClientID), keyOf(config.ClientID), keyOf(config.ClientSecret), keyOf(config.UserPoolID),
	}}
	return insider, outsider
}

func named(name string) func(*cognito.Config) {
	return func(c *cognito.Config) { c.CookieName = name }
}

func cookieBytes(t *testing.T, cookie *http.Cookie) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func tampers(s *lab.Site) int { return strings.Count(s.Logged.String(), "kind=tamper") }

// TestStorageWriterForgesSession: whoever may write to the storage chooses a cookie,
// derives the record's name and a key from it by the published format, and seals what
// they like. Without one of Config.Keys nothing opens, and the log tells of it.
func TestStorageWriterForgesSession(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage), named("cognito_staff"))
	alice := s.NewSession(storage, "alice")
	insider, outsider := forgersOf(s)
	record := storage.Dump()[alice.Hot]
	plain := insider.open(t, "session", cookieBytes(t, alice.Cookie), alice.Hot, record)
	if plain == nil {
		t.Fatal("the app's own key does not open alice's record: the forger has the format wrong")
	}
	forge := func(f forger, key []byte) *http.Cookie {
		chosen := noise(32)
		name := lab.HotPrefix + f.named(chosen)
		storage.Plant(name, f.seal(t, "session", chosen, key, name, record[0], plain))
		return &http.Cookie{Name: alice.Cookie.Name, Value: base64.RawURLEncoding.EncodeToString(chosen)}
	}
	s.MustBe("alice", forge(insider, insider.keys[0])) // the format is right
	for i, key := range outsider.keys {
		before := tampers(s)
		s.MustBe("", forge(outsider, key))
		if tampers(s) != before+1 {
			t.Errorf("forgery %d is told of %d times in the log, want once", i, tampers(s)-before)
		}
	}
	s.MustBe("alice", alice.Cookie)
}

// TestStorageReaderOpensNothing: with a copy of the storage and even with a visitor's
// cookie, no record opens without the app's key; and with the app's key, none does
// without the cookie.
func TestStorageReaderOpensNothing(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage), named("cognito_staff"))
	alice, bob := s.NewSession(storage, "alice"), s.NewSession(storage, "bob")
	insider, outsider := forgersOf(s)
	own, dump := cookieBytes(t, bob.Cookie), storage.Dump()
	for name, sealed := range dump {
		if outsider.open(t, "session", own, name, sealed) != nil {
			t.Errorf("%s opens without the app's key", name)
		}
		if strings.HasSuffix(name, strings.TrimPrefix(alice.Hot, lab.HotPrefix)) && insider.open(t, "session", own, name, sealed) != nil {
			t.Errorf("%s opens with another's cookie", name)
		}
	}
	if insider.open(t, "session", own, bob.Hot, dump[bob.Hot]) == nil {
		t.Error("the app's key and bob's cookie do not open bob's record: the reader has the format wrong")
	}
	s.MustBe("alice", alice.Cookie)
}

// TestStorageWriterForgesAttempt: a visitor's own attempt is replaced by one that leads
// elsewhere.
func TestStorageWriterForgesAttempt(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage), named("cognito_staff"))
	insider, outsider := forgersOf(s)
	replace := func(f forger, key []byte) *lab.PendingLogin {
		before := storage.Dump()
		pending := s.Answered("alice")
		parts := strings.Split(pending.Cookie.Value, ".")
		ticket, err := base64.RawURLEncoding.DecodeString(parts[len(parts)-1])
		if err != nil {
			t.Fatal(err)
		}
		for name, sealed := range storage.Dump() {
			if plain := insider.open(t, "attempt", ticket, name, sealed); before[name] == nil && plain != nil {
				evil := append(bytes.TrimSuffix(plain, []byte("\x01/")), "\x05/evil"...)
				storage.Plant(name, f.seal(t, "attempt", ticket, key, name, sealed[0], evil))
				return pending
			}
		}
		t.Fatal("the app's key and the visitor's cookie open no attempt: the forger has the format wrong")
		return nil
	}
	if res := s.Finish(replace(insider, insider.keys[0])); res.Target().Path != "/evil" {
		t.Fatalf("the format is wrong: the callback answered %s", lab.StatusLine(res))
	}
	for i, key := range outsider.keys {
		before := tampers(s)
		if res := s.Finish(replace(outsider, key)); res.Target().Path == "/evil" || res.Cookie(lab.IsSessionCookie) != nil {
			t.Errorf("forgery %d: the callback leads to %s", i, res.Target())
		}
		if tampers(s) == before {
			t.Errorf("forgery %d is not told of in the log", i)
		}
	}
	s.MustBe("alice", s.SignIn("alice"))
}

// TestSessionOfAnotherApp: two apps share a client and a storage, and somebody carries
// the cookie of one to the other. It is bound to BaseURL and CookieName, so the other's
// OnLogin cannot be passed by; nor do records open that somebody moves there. The
// issuer is no part of it.
func TestSessionOfAnotherApp(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	first := lab.ServeWith(t, pool, lab.On(storage), named("cognito_shop"))
	alice := first.NewSession(storage, "alice")
	for what, hook := range map[string]func(*cognito.Config){
		"CookieName": named("cognito_office"),
		"BaseURL":    func(c *cognito.Config) { c.CookieName, c.BaseURL = "cognito_shop", "http://localhost:4711" },
	} {
		other := lab.ServeWith(t, pool, lab.On(storage), hook)
		cookie := &http.Cookie{Name: map[string]string{"CookieName": "cognito_office", "BaseURL": "cognito_shop"}[what], Value: alice.Cookie.Value}
		other.MustBe("", cookie)
	}
	same := lab.ServeWith(t, pool, lab.On(storage), named("cognito_shop"), func(c *cognito.Config) { c.Issuer = strings.Replace(c.Issuer, "127.0.0.1", "localhost", 1) })
	same.MustBe("alice", alice.Cookie)
	first.MustBe("alice", alice.Cookie)
}

// TestReadersOwnLimits: a session that was begun with longer limits ends by those of
// the app that reads it, too.
func TestReadersOwnLimits(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]func(*cognito.Config){
		"idle": lab.Timeouts(10*time.Minute, 7*24*time.Hour), "absolute": lab.Timeouts(10*time.Minute, 10*time.Minute),
	} {
		for where, kept := range map[string]func(*cognito.Config){"stored": lab.On(lab.NewStore()), "in cookies": lab.InCookies} {
			t.Run(name+", "+where, func(t *testing.T) {
				pool := lab.NewPool(t)
				lax := lab.ServeWith(t, pool, kept)
				alice, bob := lax.SignIn("alice"), lax.SignIn("bob")
				strict := lab.ServeWith(t, pool, kept, limits)
				strict.MustBe("alice", alice)
				pool.Advance(11 * time.Minute)
				strict.MustBe("", alice)
				strict.MustBe("", bob) // whom it sees for the first time
				strict.MustBe("bob", strict.SignIn("bob"))
			})
		}
	}
}

// TestOldRecordPutBack: somebody puts an older hot record back, or a replica lags
// behind. A session that was ended does not live again, and groups that were taken away
// do not come back.
func TestOldRecordPutBack(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	one, two := lab.ServeWith(t, pool, lab.On(storage)), lab.ServeWith(t, pool, lab.On(storage))
	alice, bob, carol := one.NewSession(storage, "alice"), one.NewSession(storage, "bob"), one.NewSession(storage, "alice")
	old := storage.Dump()
	one.MustLogOut(one.Send(lab.LogOut(bob.Cookie)))
	putBack := func(session lab.Session) {
		storage.Plant(session.Hot, old[session.Hot])
		storage.Plant(session.Cold, old[session.Cold])
	}
	for _, s := range []*lab.Site{one, two} { // both, by the name that one remembers and by the tombstone
		putBack(bob)
		s.MustBe("", bob.Cookie)
	}
	for key := range storage.Dump() {
		if strings.HasPrefix(key, "cognito_tomb_") {
			_ = storage.Delete(key) // it lives for minutes only
		}
	}
	for _, s := range []*lab.Site{one, two} { // two has seen the tombstone
		putBack(bob)
		s.MustBe("", bob.Cookie)
	}

	pool.SetUser(cognitotest.User{Username: "alice", Email: "alice@example.com", Password: lab.PasswordOf("alice"), Groups: []string{"staff"}})
	groups := func(session lab.Session) string {
		return one.Me(session.Cookie).Text
	}
	pool.Advance(time.Minute) // younger tokens are not renewed
	for _, session := range []lab.Session{alice, carol} {
		if res := one.Send(lab.RenewNow(session.Cookie)); res.StatusCode != http.StatusOK || strings.Contains(groups(session), "admin") {
			t.Fatalf("renewing answered %s", lab.StatusLine(res))
		}
	}
	storage.Plant(alice.Hot, old[alice.Hot])
	_ = storage.Delete(carol.Hot)
	one.MustBe("", carol.Cookie) // and forgotten, all but its serial
	storage.Plant(carol.Hot, old[carol.Hot])
	for _, session := range []lab.Session{alice, carol} {
		if strings.Contains(groups(session), "admin") {
			t.Errorf("an old record brings the groups back: %s", groups(session))
		}
	}
	if !strings.Contains(groups(alice), "staff") {
		t.Errorf("alice is %s, want who she was last", groups(alice))
	}
}

// TestClockAhead: an instance whose clock is a day ahead takes sessions for over. It
// must delete neither them nor their cookies, since the others go by them.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	right := lab.ServeWith(t, pool, lab.On(storage))
	ahead := lab.ServeWith(t, pool, lab.On(storage), func(c *cognito.Config) { c.Now = func() time.Time { return pool.Now().Add(200 * time.Hour) } })
	alice, pending := right.NewSession(storage, "alice"), right.Answered("bob")
	before := len(storage.Dump())
	ahead.MustBe("", alice.Cookie)
	ahead.Send(lab.RenewNow(alice.Cookie))
	page := ahead.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{alice.Cookie}, Header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}})
	if page.StatusCode != http.StatusFound || page.DeletesSession() {
		t.Errorf("a page is answered %s with %q", lab.StatusLine(page), page.Header["Set-Cookie"])
	}
	ahead.Send(lab.Request{Path: pending.Callback, Cookies: []*http.Cookie{pending.Cookie}})
	if after := len(storage.Dump()); after < before {
		t.Errorf("of %d records %d are left", before, after)
	}
	right.MustBe("alice", alice.Cookie)
	right.MustBe("bob", right.Finish(pending).Cookie(lab.IsSessionCookie))
}

// TestServerKeysRotate: two instances go from [a] to [a b] to [b a] to [b], one
// after the other, and nobody is signed out: neither who is there all the time,
// nor who comes by now and then, nor a login in progress. Their tokens can be
// renewed under the new key alone, and the old one opens nothing more.
func TestServerKeysRotate(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	with := func(keys ...string) *lab.Site { return lab.ServeWith(t, pool, lab.On(storage), lab.WithKeys(keys...)) }
	a, b := lab.Key, lab.OtherKey
	one, two := with(a), with(a)
	alice, bob := one.NewSession(storage, "alice"), two.NewSession(storage, "bob")
	pending := one.Answered("bob")
	for _, keys := range [][]string{{a, b}, {b, a}} {
		one = with(keys...)
		one.MustBe("alice", alice.Cookie)
		two.MustBe("alice", alice.Cookie)
		two = with(keys...)
		one.MustBe("alice", alice.Cookie)
		two.MustBe("alice", alice.Cookie)
	}
	two.MustBe("bob", two.Finish(pending).Cookie(lab.IsSessionCookie))
	pool.Advance(23 * time.Hour) // bob comes back just before he is idle for too long
	one.MustBe("bob", bob.Cookie)
	one.MustBe("alice", alice.Cookie)
	one = with(b)
	one.MustBe("alice", alice.Cookie)
	one.MustBe("bob", bob.Cookie)
	for _, session := range []lab.Session{alice, bob} {
		if res := one.Send(lab.RenewNow(session.Cookie)); res.StatusCode != http.StatusOK {
			t.Errorf("under the new key alone renewing answers %s", lab.StatusLine(res))
		}
	}
	if tampers(one)+tampers(two) > 0 {
		t.Error("a rotation is told as tampering")
	}
	with(a).MustBe("", alice.Cookie)
}

// TestRotationWithoutRenewal: records are sealed anew at the first request under a
// new key, without a call to Cognito, the tokens with them.
func TestRotationWithoutRenewal(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	old := lab.ServeWith(t, pool, lab.On(storage))
	alice := old.NewSession(storage, "alice")
	calls := pool.Calls(cognitotest.Token)
	between := lab.ServeWith(t, pool, lab.On(storage), lab.WithKeys(lab.OtherKey, lab.Key))
	between.MustBe("alice", alice.Cookie)
	writes := len(storage.Asked("set"))
	for range 5 {
		between.MustBe("alice", alice.Cookie)
	}
	if more := len(storage.Asked("set")) - writes; more > 0 {
		t.Errorf("%d more writes for a session that is sealed anew", more)
	}
	after := lab.ServeWith(t, pool, lab.On(storage), lab.WithKeys(lab.OtherKey))
	after.MustBe("alice", alice.Cookie)
	if res := after.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{alice.Cookie}}); res.StatusCode != http.StatusOK {
		t.Errorf("the tokens are not there under the new key: %s", lab.StatusLine(res))
	}
	if pool.Calls(cognitotest.Token) != calls {
		t.Error("Cognito was asked")
	}
}

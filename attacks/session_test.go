package attacks_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// sendRaw writes bytes to the app as they are, which no HTTP client would, and
// returns the status of the answer.
func sendRaw(s *lab.Site, text string) int {
	s.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, text); err != nil {
		s.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		s.Fatalf("no answer to %.100q: %v", text, err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// TestSessionIDsAreUnguessable: 256 random bits each, and a new one at every login.
func TestSessionIDsAreUnguessable(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.InMemory)
	seen := map[string]bool{}
	var bits [256]int
	const logins = 64
	for range logins {
		id := s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie).Value
		random, err := base64.RawURLEncoding.Strict().DecodeString(id)
		if err != nil || len(id) != 43 || len(random) != 32 {
			t.Fatalf("an id has %d characters and %d bytes, want 43 and 32: %v", len(id), len(random), err)
		}
		if seen[id] {
			t.Fatal("an id was given out twice")
		}
		seen[id] = true
		for i := range bits {
			bits[i] += int(random[i/8]>>(i%8)) & 1
		}
	}
	// A fair bit is set 32 times, give or take 4; 26 is more than six times
	// that, so this fails for bits that are fixed and for no fair ones.
	for i, set := range bits {
		if set < logins/2-26 || set > logins/2+26 {
			t.Errorf("bit %d is set in %d ids of %d", i, set, logins)
		}
	}
}

// TestMalformedSessionIDs: what cannot be an id of ours never gets as far as the
// storage, so no cookie can search it, and no flood of junk can keep it busy.
func TestMalformedSessionIDs(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	name, id := alice.Cookie.Name, alice.Cookie.Value
	lastOtherSpelling := id[:42] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[alphabetIndex(id[42])^1])
	before := len(storage.Asked(""))
	for _, junk := range []string{
		"", "*", "../../etc/passwd", id[:42], id + "A", id + "=", id[1:], " " + id[:42],
		strings.Repeat("A", 10<<10), strings.Repeat("*", 43), strings.Repeat("\x00", 43), strings.Repeat(".", 43),
		strings.Replace(id, id[:1], "+", 1), id[:21] + "/" + id[22:], id[:21] + "%" + id[22:], id[:21] + "\x00" + id[22:],
		id[:21] + "\t" + id[22:], `"` + id + `"`, lab.HotPrefix + id, alice.Hot, strings.TrimPrefix(alice.Hot, lab.HotPrefix) + "x",
		lastOtherSpelling, id + "," + id, "\xff" + id[1:],
	} {
		raw := fmt.Sprintf("GET /me HTTP/1.1\r\nHost: localhost\r\nCookie: %s=%s\r\nConnection: close\r\n\r\n", name, junk)
		// A server may well refuse the bytes as such.
		if status := sendRaw(s, raw); status != http.StatusUnauthorized && status != http.StatusBadRequest {
			t.Errorf("the cookie %.60q was answered %d, want 401 or 400", junk, status)
		}
	}
	for _, split := range []string{"\r\n", "\n", "\r"} {
		sendRaw(s, fmt.Sprintf("GET /me HTTP/1.1\r\nHost: localhost\r\nCookie: %s=%s%sX: %s\r\nConnection: close\r\n\r\n", name, id[:21], split, id[21:]))
	}
	if calls := storage.Asked("")[before:]; len(calls) > 0 {
		t.Errorf("the storage was asked %d times, first for %q", len(calls), calls[0].Key)
	}
	s.MustBe("alice", alice.Cookie)
}

func alphabetIndex(c byte) int {
	return strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", c)
}

// TestSessionIDOutsideOfTheCookie: an id in the query, in another header or in the body
// is in logs and in links, and counts for nothing.
func TestSessionIDOutsideOfTheCookie(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	name, id := alice.Cookie.Name, alice.Cookie.Value
	before := len(storage.Asked(""))
	for _, r := range []lab.Request{
		{Path: "/me?" + name + "=" + id + "&sid=" + id + "&session=" + id},
		{Path: "/me", Header: map[string]string{name: id, "X-Session": id, "X-Session-Id": id}},
		{Path: "/me", Header: map[string]string{"Authorization": "Bearer " + id}},
		{Path: "/me", Header: map[string]string{"Authorization": "Cookie " + name + "=" + id}},
		{Path: "/me", Header: map[string]string{"X-Cookie": name + "=" + id, "Cookie2": name + "=" + id}},
		{Path: "/me", Cookies: []*http.Cookie{{Name: strings.ToUpper(name), Value: id}, {Name: "x" + name, Value: id}, {Name: name + "x", Value: id}}},
		{Path: "/me", Cookies: []*http.Cookie{{Name: name + "_trips", Value: id}, {Name: "__Host-" + name, Value: id}, {Name: "other", Value: name + "=" + id}}},
	} {
		if res := s.Send(r); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%v was answered %s, want 401", r, lab.StatusLine(res))
		}
	}
	if calls := storage.Asked("")[before:]; len(calls) > 0 {
		t.Errorf("the storage was asked %d times, first for %q", len(calls), calls[0].Key)
	}
	s.MustBe("alice", alice.Cookie)
}

// bring puts cookies into a visitor's jar, as if the app had set them.
func bring(v *lab.Visitor, cookies ...*http.Cookie) {
	at, err := url.Parse(v.Site.URL)
	if err != nil {
		v.Site.Fatal(err)
	}
	v.HTTPClient.Jar.SetCookies(at, cookies)
}

// TestSessionOutlivesItsIdleLimit: a browser left open in a library must not stay
// signed in because some storage keeps records for ever.
func TestSessionOutlivesItsIdleLimit(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage), lab.Timeouts(2*time.Hour, 100*time.Hour))
	alice, bob := s.NewSession(storage, "alice"), s.NewSession(storage, "bob")
	for range 5 { // in use, so its end moves
		s.Pool.Advance(119 * time.Minute)
		s.MustBe("alice", alice.Cookie)
	}
	s.MustBe("", bob.Cookie) // was not in use
	s.Pool.Advance(121 * time.Minute)
	s.MustBe("", alice.Cookie)
}

// TestSessionOutlivesItsAbsoluteLimit: neither use nor renewed tokens may keep a stolen
// cookie alive for ever.
func TestSessionOutlivesItsAbsoluteLimit(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage), lab.Timeouts(time.Hour, 10*time.Hour))
	alice := s.NewSession(storage, "alice")
	for range 19 {
		s.Pool.Advance(30 * time.Minute)
		s.MustBe("alice", alice.Cookie)
		res := s.Send(lab.Request{Path: "/token/refresh", Method: http.MethodPost, Cookies: []*http.Cookie{alice.Cookie}})
		if res.StatusCode != http.StatusOK {
			t.Fatalf("renewing the tokens answered %s", lab.StatusLine(res))
		}
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls < 20 {
		t.Fatalf("%d token calls, want 20: the tokens were renewed all along", calls)
	}
	s.Pool.Advance(29 * time.Minute)
	s.MustBe("alice", alice.Cookie)
	s.Pool.Advance(2 * time.Minute)
	s.MustBe("", alice.Cookie)
}

// TestSessionWithoutRefreshToken: nothing can renew it, so it ends with its tokens, to
// the second: the leeway for clocks is for verification.
func TestSessionWithoutRefreshToken(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Rewrite: func(answer map[string]any) { delete(answer, "refresh_token") }})
	alice := s.NewSession(storage, "alice")
	bob := s.NewSession(storage, "bob") // has one
	s.Pool.Advance(59 * time.Minute)
	s.MustBe("alice", alice.Cookie)
	s.Pool.Advance(time.Minute + time.Second)
	s.MustBe("", alice.Cookie)
	s.MustBe("bob", bob.Cookie)
	if calls := s.Pool.Calls(cognitotest.Token); calls != 3 {
		t.Errorf("%d token calls, want two logins and one refresh of bob's", calls)
	}
}

// TestSlidingIsRare: moving the idle limit writes to the storage, so it happens once a
// tenth of the limit and not per request.
func TestSlidingIsRare(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage), lab.Timeouts(10*time.Hour, 100*time.Hour))
	s.Pool.SetClient(cognitotest.Client{ID: s.Pool.Config().ClientID, AccessTokenTTL: 99 * time.Hour, IDTokenTTL: 99 * time.Hour})
	alice := s.NewSession(storage, "alice")
	slid := func() (times int) {
		before := len(storage.Asked("set"))
		for range 20 {
			s.MustBe("alice", alice.Cookie)
		}
		for _, call := range storage.Asked("set")[before:] {
			if call.Key == alice.Hot {
				times++
			}
		}
		return times
	}
	if got := slid(); got != 0 {
		t.Errorf("20 requests just after the login moved the limit %d times, want none", got)
	}
	for range 3 {
		s.Pool.Advance(61 * time.Minute)
		if got := slid(); got != 1 {
			t.Errorf("20 requests a tenth of the limit later moved it %d times, want once", got)
		}
	}
	s.Pool.Advance(599 * time.Minute)
	s.MustBe("alice", alice.Cookie)
}

// TestRecordOfAnotherVersion: in a rolling deployment another release has written the
// record. What it says is unknown here, so nobody loses a cookie, and it stays for the
// release that can read it.
func TestRecordOfAnotherVersion(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	hot := storage.Dump()[alice.Hot]
	for _, version := range []byte{hot[0] - 1, hot[0] + 1, 0, 0x7b, 0xff} {
		newer := append([]byte{version}, hot[1:]...)
		storage.Plant(alice.Hot, newer)
		s.MustBeUnavailable(lab.Request{Path: "/me", Cookies: []*http.Cookie{alice.Cookie}})
		if dump := storage.Dump(); string(dump[alice.Hot]) != string(newer) || dump[alice.Cold] == nil {
			t.Errorf("the records of version %d did not stay as they were", version)
		}
		v := s.Visitor()
		bring(v, alice.Cookie)
		page := v.Get(s.URL + "/me")
		if page.Status != http.StatusServiceUnavailable || v.SessionCookie() == nil {
			t.Errorf("with version %d a page visit ended on %s with %d", version, page.URL, page.Status)
		}
	}
	storage.Plant(alice.Hot, hot)
	s.MustBe("alice", alice.Cookie)
}

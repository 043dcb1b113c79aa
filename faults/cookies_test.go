package faults_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	recoverer "github.com/gofiber/fiber/v2/middleware/recover"
)

// Sessions that travel in their cookies, with no storage anywhere.

// mostOfACookie is what browsers take of name and value together.
const mostOfACookie = 4096

// inCookies serves an instance that keeps nothing.
func inCookies(t *testing.T, pool *cognitotest.Pool, hooks ...func(*cognito.Config)) *lab.Site {
	return lab.ServeWith(t, pool, append([]func(*cognito.Config){lab.InCookies}, hooks...)...)
}

// next is the session cookie after an answer: the one it sets, or the one it had.
func next(t *testing.T, answer *lab.Answer, brought *http.Cookie) *http.Cookie {
	t.Helper()
	set := answer.Cookie(lab.IsSessionCookie)
	switch {
	case set == nil:
		return brought
	case set.Value == "":
		t.Fatalf("the answer %s deletes the session", lab.StatusLine(answer))
	}
	if size := len(set.Name) + len(set.Value); size > mostOfACookie {
		t.Errorf("a cookie of %d bytes", size)
	}
	return set
}

// mustShow checks whose /me these answers are: nobody's is a refusal.
func mustShow(t *testing.T, user string, answers ...*lab.Answer) {
	t.Helper()
	for _, answer := range answers {
		if (answer.StatusCode == http.StatusOK) != (user != "") || (user != "" && lab.Decode(t, answer.Text)["cognito:username"] != user) {
			t.Errorf("got %.200s, want %q", lab.StatusLine(answer), user)
		}
	}
}

// TestCookieSessionGoesAnywhere: a session begins at one instance and is used,
// renewed and ended at others, which know nothing of it.
func TestCookieSessionGoesAnywhere(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	a, b := inCookies(t, pool), inCookies(t, pool)
	cookie := a.SignIn("alice")
	b.MustBe("alice", cookie)
	for _, at := range []*lab.Site{b, a, inCookies(t, pool)} {
		pool.Advance(2 * time.Hour)
		answer := at.Me(cookie)
		mustShow(t, "alice", answer)
		renewed := next(t, answer, cookie)
		if renewed == cookie {
			t.Fatal("no new cookie after a renewal")
		}
		cookie = renewed
	}
	a.MustRenew(3)
	out := b.Send(lab.Request{Method: http.MethodPost, Path: "/logout", Cookies: []*http.Cookie{cookie}, Header: map[string]string{"Origin": b.URL}})
	if !out.DeletesSession() {
		t.Error("the logout leaves the cookie")
	}
	b.MustBe("", cookie)                   // a copy of it, where the logout is remembered
	a.MustBe("alice", cookie)              // and elsewhere until its tokens expire: as is said at the setting
	if err := b.Auth.Close(); err != nil { // waits until the refresh token is revoked
		t.Error(err)
	}
	pool.Advance(2 * time.Hour)
	a.MustBe("", cookie)
}

// TestOldCookieGetsTheNewOne: requests that are sent before the renewed cookie has
// arrived all get that one, and Cognito is asked once.
func TestOldCookieGetsTheNewOne(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	s := inCookies(t, pool)
	cookie := s.SignIn("alice")
	pool.Advance(2 * time.Hour)
	values := map[string]bool{}
	for _, reply := range s.Later(20, lab.AsScript("/me", cookie))() {
		if reply.Err != nil {
			t.Fatal(reply.Err)
		}
		values[next(t, reply.Answer, cookie).Value] = true
	}
	late := next(t, s.Me(cookie), cookie)
	values[late.Value] = true
	if len(values) != 1 || values[cookie.Value] {
		t.Errorf("%d cookies came of one renewal, the old one among them: %v", len(values), values[cookie.Value])
	}
	s.MustRenew(1)
	s.MustBe("alice", late)
}

// TestCookieRenewedElsewhere: an instance knows the session, and another one renews it when
// the user has lost a group. The cookie brings the new claims, whether or not the refresh
// token is a new one, and the instance does not put the group back.
func TestCookieRenewedElsewhere(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]cognitotest.Client{"with rotation": lab.Rotating(0), "without": {}} {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t, client)
			alice := cognitotest.User{Username: "alice", Password: lab.PasswordOf("alice"), Email: "alice@example.com", Groups: []string{"admin"}}
			pool.SetUser(alice)
			a, b := inCookies(t, pool), inCookies(t, pool)
			cookie := a.SignIn("alice")
			if lab.Decode(t, a.Me(cookie).Text)["cognito:groups"] == nil {
				t.Fatal("alice is in no group from the first")
			}
			alice.Groups = nil
			pool.SetUser(alice)
			pool.Advance(time.Minute) // RefreshPath renews no younger tokens
			cookie = next(t, b.Send(lab.RenewNow(cookie)), cookie)
			for i, at := range []*lab.Site{a, b, inCookies(t, pool), a} {
				answer := at.Me(cookie)
				mustShow(t, "alice", answer)
				if groups := lab.Decode(t, answer.Text)["cognito:groups"]; groups != nil {
					t.Errorf("request %d: alice is in %v again", i, groups)
				}
				cookie = next(t, answer, cookie)
			}
			pool.Advance(lab.JustExpired)
			mustShow(t, "alice", a.Me(cookie))
		})
	}
}

// TestCookieRaceWithinTheGrace: two instances renew the same cookie, and whichever
// of the two new ones the browser keeps goes on.
func TestCookieRaceWithinTheGrace(t *testing.T) {
	t.Parallel()
	for _, kept := range []int{0, 1} {
		pool := lab.NewPool(t, lab.Rotating(time.Minute))
		sites := []*lab.Site{inCookies(t, pool), inCookies(t, pool)}
		cookie := sites[0].SignIn("alice")
		pool.Advance(2 * time.Hour)
		var renewed []*http.Cookie
		for _, s := range sites {
			answer := s.Me(cookie)
			mustShow(t, "alice", answer)
			renewed = append(renewed, next(t, answer, cookie))
			pool.Advance(2 * time.Second)
		}
		mine := renewed[kept]
		for i := range 4 {
			// To the other instance first, which has tokens of its own.
			s := sites[(kept+1+i)%2]
			pool.Advance(50 * time.Minute)
			answer := s.Me(mine)
			mustShow(t, "alice", answer)
			mine = next(t, answer, mine)
		}
	}
}

// TestCookieRaceWithoutGrace: the loser leaves the cookie alone, which may be the
// winner's by then, and does not ask Cognito again. A page goes through the login
// without a word, a script gets 401 and succeeds with the winner's cookie.
func TestCookieRaceWithoutGrace(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	winner, loser := inCookies(t, pool), inCookies(t, pool)
	cookie := winner.SignIn("alice")
	pool.Advance(2 * time.Hour)
	won := next(t, winner.Me(cookie), cookie)
	for range 3 {
		answer := loser.Send(lab.AsScript("/me", cookie))
		if answer.StatusCode != http.StatusUnauthorized || answer.Cookie(lab.IsSessionCookie) != nil {
			t.Errorf("the loser answers %s", lab.StatusLine(answer))
		}
	}
	winner.MustRenew(2) // the winner's and the loser's only one
	page := loser.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{cookie}, Header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}})
	if page.StatusCode != http.StatusFound || !strings.HasPrefix(page.Header.Get("Location"), "/login") || page.DeletesSession() {
		t.Errorf("the loser answers a page with %s", lab.StatusLine(page))
	}
	loser.MustBe("alice", won)
	winner.MustBe("alice", won)
}

// TestCookieTakesATokenThatBringsNothingYet: Cognito has replaced the refresh token, and
// the tokens that came with the new one cannot be verified, because keys are out of
// reach. The cookie gets it all the same: no other instance, and no process after this
// one, has another place to find it.
func TestCookieTakesATokenThatBringsNothingYet(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	cookie := inCookies(t, pool).SignIn("alice")
	fresh := inCookies(t, pool) // has never seen a key
	pool.Break(cognitotest.JWKS, cognitotest.Fault{Status: http.StatusServiceUnavailable})
	pool.Advance(nearlyExpired)
	answer := fresh.Me(cookie)
	mustShow(t, "alice", answer)
	cookie = next(t, answer, cookie)
	fresh.MustRenew(1)
	pool.Heal()
	heir := inCookies(t, pool)
	for range 2 {
		pool.Advance(lab.JustExpired)
		answer := heir.Me(cookie)
		mustShow(t, "alice", answer)
		cookie = next(t, answer, cookie)
	}
}

// TestCookieAfterALostAnswer: a response is lost and the call repeated, so it is not known
// which refresh token is valid. Only a request finds out, whose response can bring the
// browser a new one: without, its cookie would be left with one that is spent.
func TestCookieAfterALostAnswer(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	hurried := func(c *cognito.Config) { c.RenewInRequest = true } // whatever is begun ends with the request
	a, b := inCookies(t, pool, hurried), inCookies(t, pool, hurried)
	cookie := a.SignIn("alice")
	pool.Advance(lab.JustExpired)
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, LoseAnswer: true})
	for i, at := range []*lab.Site{a, b, a} {
		answer := at.Me(cookie)
		mustShow(t, "alice", answer)
		cookie = next(t, answer, cookie)
		at.MustRenew(2 + i)
		pool.Advance(lab.JustExpired)
	}
}

// lossy is a transport for renewals: the first response is lost, and the second comes late.
type lossy struct {
	http.Transport
	renewals atomic.Int32
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost {
		return l.Transport.RoundTrip(r)
	}
	switch answer, err := l.Transport.RoundTrip(r); l.renewals.Add(1) {
	case 1:
		if err == nil {
			_ = answer.Body.Close()
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	default:
		time.Sleep(2 * time.Second)
		return answer, err
	}
}

// TestCookieComesWithASlowRenewal: a renewal ahead of time takes longer than a request waits
// for its tokens. Where processes are frozen, the request waits for its end all the same, and
// the response brings the new cookie: the next process has no other place to find it.
func TestCookieComesWithASlowRenewal(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	slow := &lossy{}
	t.Cleanup(slow.CloseIdleConnections)
	frozen := func(c *cognito.Config) { c.RenewInRequest = true }
	cookie := inCookies(t, pool, frozen).SignIn("alice")
	a, b := inCookies(t, pool, frozen, func(c *cognito.Config) { c.HTTPClient = &http.Client{Transport: slow} }), inCookies(t, pool, frozen)
	pool.Advance(nearlyExpired)
	answer := a.Me(cookie)
	mustShow(t, "alice", answer)
	a.MustRenew(2)
	cookie = next(t, answer, cookie)
	for range 2 {
		pool.Advance(lab.JustExpired)
		answer := b.Me(cookie)
		mustShow(t, "alice", answer)
		cookie = next(t, answer, cookie)
	}
}

// TestCookieIsRenewedOnOurOwnRoutes: they find out who is there, and so tokens are
// renewed. Their responses bring the new cookie like any other.
func TestCookieIsRenewedOnOurOwnRoutes(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]func(*lab.PendingLogin) string{
		"a callback that was answered": func(p *lab.PendingLogin) string { return p.Callback },
		"credentials once more":        func(*lab.PendingLogin) string { return "/login?prompt=login" },
	} {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t, lab.Rotating(0))
			a, b := inCookies(t, pool), inCookies(t, pool)
			begun := a.Answered("alice")
			cookie := a.Finish(begun).Cookie(lab.IsSessionCookie)
			pool.Advance(lab.JustExpired)
			answer := a.Send(asVisitor(path(begun), cookie))
			if answer.StatusCode != http.StatusFound {
				t.Errorf("it is answered %s", lab.StatusLine(answer))
			}
			a.MustRenew(1)
			b.MustBe("alice", next(t, answer, cookie))
		})
	}
}

// TestCookieIsRenewedThoughAHandlerPanics: a middleware above ours recovers, and the
// response brings the new cookie like any other.
func TestCookieIsRenewedThoughAHandlerPanics(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(recoverer.New(), auth.Handler())
		app.Get("/panic", func(*fiber.Ctx) error { panic("a defect of the app") })
	}, lab.InCookies)
	other := inCookies(t, pool)
	cookie := other.SignIn("alice")
	pool.Advance(lab.JustExpired)
	answer := s.Send(lab.AsScript("/panic", cookie))
	if answer.StatusCode != http.StatusInternalServerError {
		t.Errorf("it is answered %s", lab.StatusLine(answer))
	}
	s.MustRenew(1)
	other = inCookies(t, pool)
	other.MustBe("alice", next(t, answer, cookie))
}

// TestCookieIsNotBroughtAfterALogout: a request that has renewed the session is answered
// when the visitor has signed out in another tab. Its response does not sign them in again.
func TestCookieIsNotBroughtAfterALogout(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	held, arrived := lab.NewGate(t), make(chan struct{})
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		lab.Pages(app)
		app.Get("/slow", func(c *fiber.Ctx) error {
			close(arrived)
			<-held.Closed
			return c.SendString("at last")
		})
	}, lab.InCookies)
	cookie := s.SignIn("alice")
	pool.Advance(lab.JustExpired)
	slow := s.Later(1, lab.AsScript("/slow", cookie))
	<-arrived
	newest := next(t, s.Me(cookie), cookie)
	s.MustLogOut(s.Send(lab.LogOut(newest)))
	held.Open()
	for _, reply := range slow() {
		if reply.Err != nil || reply.Cookie(lab.IsSessionCookie) != nil {
			t.Errorf("the response brings a cookie, or fails with %v", reply.Err)
		}
	}
}

// TestRefreshPathBringsTheNewestCookie: the response with the renewed cookie was lost, and
// a script asks for a renewal that is not due any more.
func TestRefreshPathBringsTheNewestCookie(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	a, b := inCookies(t, pool), inCookies(t, pool)
	cookie := a.SignIn("alice")
	pool.Advance(lab.JustExpired)
	a.MustBe("alice", cookie)
	answer := a.Send(lab.RenewNow(cookie))
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the refresh path answers %s", lab.StatusLine(answer))
	}
	a.MustRenew(1)
	b.MustBe("alice", next(t, answer, cookie))
}

// TestCookieOfAnother: what is not sealed with a key of the app, for this app, is no
// session; and the honest cookie is one beside it.
func TestCookieOfAnother(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	s := inCookies(t, pool)
	cookie := s.SignIn("alice")
	foreign := inCookies(t, pool, func(c *cognito.Config) { c.Keys = []string{"another-key-of-32-characters-000"} }).SignIn("alice")
	otherApp := inCookies(t, pool, func(c *cognito.Config) { c.CookieName = "cognito_other" }).SignIn("alice")
	otherApp.Name = cookie.Name
	forms := []*http.Cookie{foreign, otherApp}
	for _, change := range []func(v string) string{
		func(v string) string { return v[:len(v)-1] },
		func(v string) string { return v + "A" },
		func(v string) string { return "2" + v[1:] },
		func(v string) string { return "0" + v[1:] },
		func(v string) string { return v[:100] },
		func(v string) string { return v[:50] + strings.ToLower(v[50:]) },
		func(v string) string { return v + v },
		func(string) string { return "1" },
	} {
		forms = append(forms, &http.Cookie{Name: cookie.Name, Value: change(cookie.Value)})
	}
	for i := range 40 {
		at := 1 + i*len(cookie.Value)/41
		flipped := []byte(cookie.Value)
		flipped[at] = map[bool]byte{true: 'A', false: 'B'}[flipped[at] != 'A']
		forms = append(forms, &http.Cookie{Name: cookie.Name, Value: string(flipped)})
	}
	for i, form := range forms {
		if answer := s.Me(form); answer.StatusCode == http.StatusOK {
			t.Errorf("form %d, of %d characters where the honest one has %d, is a session", i, len(form.Value), len(cookie.Value))
		}
	}
	s.MustBe("alice", cookie)
}

// TestCookieOfAnotherRelease: in a rolling deployment another release has sealed the cookie.
// What it says is unknown here, so it alarms nobody, and whoever opens a page keeps it for the
// release that can read it.
func TestCookieOfAnotherRelease(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	s := inCookies(t, pool)
	cookie := s.SignIn("alice")
	for _, version := range []byte{2, 0, 0x7b, 0xff} {
		sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value[1:])
		if err != nil {
			t.Fatal(err)
		}
		sealed[0] = version
		newer := &http.Cookie{Name: cookie.Name, Value: cookie.Value[:1] + base64.RawURLEncoding.EncodeToString(sealed)}
		s.MustBe("", newer)
		mustKeepCookie(s, newer)
	}
	if strings.Contains(s.Logged.String(), "tamper") {
		t.Error("it raises an alarm")
	}
	s.MustBe("alice", cookie)
}

// TestCookieKeysRotate: two instances go from [a] to [a b] to [b a] to [b], one after
// the other, and the session goes on.
func TestCookieKeysRotate(t *testing.T) {
	t.Parallel()
	const a, b = "first-key-of-the-app-0123456789ab", "second-key-of-the-app-0123456789a"
	pool := lab.NewPool(t)
	with := func(keys ...string) *lab.Site {
		return inCookies(t, pool, func(c *cognito.Config) { c.Keys = keys })
	}
	cookie := with(a).SignIn("alice")
	for _, step := range [][2][]string{{{a}, {a, b}}, {{a, b}, {a, b}}, {{a, b}, {b, a}}, {{b, a}, {b, a}}, {{b, a}, {b}}, {{b}, {b}}} {
		for _, keys := range step {
			answer := with(keys...).Me(cookie)
			mustShow(t, "alice", answer)
			cookie = next(t, answer, cookie)
		}
	}
	with(a).MustBe("", cookie)
	mustKeepCookie(with(a), cookie)
}

// groups are so many, with names that nothing makes shorter.
func groups(n, length int) []string {
	names := make([]string, n)
	for i := range names {
		text := make([]byte, length/2)
		_, _ = rand.Read(text)
		names[i] = hex.EncodeToString(text)
	}
	return names
}

// TestLargeSessions: what does not fit into one cookie goes into a second one, and
// only then; what does not fit into two is refused, and the operator told.
func TestLargeSessions(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ groups, cookies int }{{3, 1}, {60, 2}, {300, 0}} {
		pool := lab.NewPool(t)
		names := groups(row.groups, 40)
		pool.SetUser(cognitotest.User{Username: "alice", Password: lab.PasswordOf("alice"), Email: "alice@example.com", Groups: names})
		s := inCookies(t, pool)
		res := s.Finish(s.Answered("alice"))
		var got []*http.Cookie
		for _, cookie := range res.Cookies() {
			if strings.HasPrefix(cookie.Name, "cognito_") && !lab.IsLoginCookie(cookie.Name) && !strings.HasSuffix(cookie.Name, "_trips") {
				got = append(got, cookie)
				if size := len(cookie.Name) + len(cookie.Value); size > mostOfACookie {
					t.Errorf("%d groups: a cookie of %d bytes", row.groups, size)
				}
			}
		}
		if len(got) != row.cookies {
			t.Errorf("%d groups: %d cookies, want %d", row.groups, len(got), row.cookies)
		}
		if row.cookies == 0 {
			if res.StatusCode != http.StatusInternalServerError || !strings.Contains(s.Logged.String(), "too large for cookies") {
				t.Errorf("%d groups: %s", row.groups, lab.StatusLine(res))
			}
			continue
		}
		mustShow(t, "alice", s.Me(got...))
		if row.cookies == 2 {
			mustShow(t, "", s.Me(got[0]), s.Me(got[1]), s.Me(got[0], &http.Cookie{Name: got[1].Name, Value: got[1].Value[1:]}))
			slices.Reverse(got)
			mustShow(t, "alice", s.Me(got...))
		}
	}
}

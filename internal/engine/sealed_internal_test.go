package engine

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/valyala/fasthttp"
)

// noPool is a pool that does not respond.
type noPool struct{}

func (noPool) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }

// engineOfSealed keeps sessions in cookies, and has a pool that does not respond.
func engineOfSealed(t *testing.T, now func() time.Time) *Engine {
	t.Helper()
	a, err := New(Settings{
		ClientID: "client", UserPoolID: "eu-west-2_AbCdEfGhI", CookieName: "cognito_session", CookieSessions: true, Keys: secret.NewKeys(nil),
		IdleTimeout: 90 * time.Minute, AbsoluteTimeout: 6 * time.Hour, Logger: slog.New(slog.DiscardHandler), Now: now,
		PoolAddress: "https://auth.example.com", HTTPClient: &http.Client{Transport: noPool{}},
	}, Hooks{
		Context: func(any) context.Context { return t.Context() }, IP: func(any) string { return "" },
		SetLocals: func(*fasthttp.RequestCtx, *session.Identity) {}, OnEvent: func(Event) {},
		HandleError: func(_ any, e *fault.Error) (bool, error) { return true, e },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// unsigned is a token of one hour, for whoever only reads its claims.
func unsigned(use string, now time.Time) secret.Text {
	payload := fmt.Sprintf(`{"sub":"alice","token_use":%q,"exp":%d}`, use, now.Add(time.Hour).Unix())
	return secret.Text("e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln")
}

// hotOfSealed is alice's session, with tokens of one hour.
func hotOfSealed(now time.Time) session.Hot {
	alice, hour := claims.Text{Bytes: []byte(`{"sub":"alice"}`)}, session.MomentOf(now.Add(time.Hour))
	return session.Hot{
		Serial: 1, Renewable: true, Subject: "alice", User: alice, Payload: alice, Moments: session.Moments{RenewAfter: hour, Expires: hour},
	}
}

// beginSealed has alice's session begin, and returns the cookie that she gets.
func beginSealed(t *testing.T, a *Engine, now time.Time, refresh secret.Text) (opened *session.Session, cold session.Cold, value string) {
	t.Helper()
	cold = session.Cold{Access: unsigned("access", now), ID: unsigned("id", now), Refresh: session.NewCandidates(refresh)}
	opened, _, err := a.sessions.BeginListed(hotOfSealed(now), cold, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return opened, cold, cookieOf(t, a, opened)
}

// renewSealed stores what a renewal would.
func renewSealed(t *testing.T, a *Engine, opened *session.Session, hot session.Hot, cold session.Cold) *session.Session {
	t.Helper()
	renewed, err := a.sessions.Save(&opened.Handle, hot, &cold)
	if err != nil {
		t.Fatal(err)
	}
	return renewed
}

// cookieOf is the cookie that a response would bring.
func cookieOf(t *testing.T, a *Engine, opened *session.Session) string {
	t.Helper()
	value, err := a.sealedValue(opened, nil)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// requestWith is a request with a cookie that nobody has looked at.
func requestWith(value string) Request {
	r := Request{RequestCtx: &fasthttp.RequestCtx{}, Path: "/", Method: fasthttp.MethodGet}
	r.Request.Header.SetCookie("cognito_session", value)
	return r
}

// visitSealed is a request with a cookie, as far as its handler.
func visitSealed(a *Engine, value string) (Request, *session.Identity) {
	r := requestWith(value)
	id := a.identify(r)
	a.attach(r, id)
	return r, id
}

// TestForgottenTokensComeWithTheCookie: more sessions are in use than memory holds. It has
// forgotten the tokens of one, which were written first, and still knows who is signed in.
// The tokens are in the cookie: handlers get them, and the cookie can be prolonged.
func TestForgottenTokensComeWithTheCookie(t *testing.T) {
	now := time.Now()
	a := engineOfSealed(t, func() time.Time { return now })
	opened, cold, value := beginSealed(t, a, now, "refresh")
	visit := func() (Request, *session.Identity) { return visitSealed(a, value) }
	visit() // the cookie is known from now on
	forget := func() {
		if err := a.store.Delete("cognito_cold_" + opened.Name()); err != nil {
			t.Fatal(err)
		}
	}
	forget()
	r, who := visit()
	if who.User == nil {
		t.Fatal("the memory has forgotten who is signed in, too; the test proves nothing")
	}
	if got, err := a.AccessToken(r); err != nil || got != cold.Access.Reveal() {
		t.Errorf("a handler gets no token: %v", err)
	}
	forget()
	now = now.Add(10 * time.Minute) // more than a tenth of IdleTimeout
	r, who = visit()
	a.carry(r, who)
	if r.Response.Header.PeekCookie("cognito_session") == nil {
		t.Error("the cookie is not prolonged")
	}
	forget()
	r, _ = visit()
	if err := a.Refresh(r); !fault.IsUnknown(err) || a.Identity(r).User == nil {
		t.Errorf("a renewal does not ask Cognito, and ends the session: %v", err)
	}
	// The honest case: nothing is forgotten.
	r, _ = visit()
	if got, err := a.AccessToken(r); err != nil || got != cold.Access.Reveal() {
		t.Errorf("a handler gets no token although nothing is forgotten: %v", err)
	}
}

// TestForgottenTokensAreRenewed: the same when the tokens have expired. Whoever waits for new
// ones presents the refresh token of the cookie, and hears that Cognito does not respond; the
// session has not ended.
func TestForgottenTokensAreRenewed(t *testing.T) {
	for name, renew := range map[string]func(a *Engine, before Request, value string) error{
		"a request": func(a *Engine, _ Request, value string) error {
			_, id := visitSealed(a, value)
			return id.Err
		},
		"an open connection": func(a *Engine, before Request, _ string) error {
			_, err := a.Watch(before).User()
			return err
		},
		"a long handler": func(a *Engine, before Request, _ string) error {
			_, err := a.AccessToken(before)
			return err
		},
		"RefreshPath": func(a *Engine, _ Request, value string) error { return a.serveRefresh(requestWith(value)) },
	} {
		for _, forgotten := range []bool{true, false} {
			now := time.Now()
			a := engineOfSealed(t, func() time.Time { return now })
			opened, _, value := beginSealed(t, a, now, "refresh")
			before, _ := visitSealed(a, value)
			now = now.Add(61 * time.Minute)
			if forgotten {
				if err := a.store.Delete("cognito_cold_" + opened.Name()); err != nil {
					t.Fatal(err)
				}
			}
			if err := renew(a, before, value); !fault.IsUnknown(err) {
				t.Errorf("%s (forgotten: %v): %v", name, forgotten, err)
			}
		}
	}
}

// TestForgottenTokensAreNotThoseOfBefore: a request that was sent before the last renewal
// brings tokens that were replaced. They do not take the place of those that are forgotten.
func TestForgottenTokensAreNotThoseOfBefore(t *testing.T) {
	now := time.Now()
	a := engineOfSealed(t, func() time.Time { return now })
	opened, cold, before := beginSealed(t, a, now, "spent")
	visitSealed(a, before) // it is known from now on
	renewed := opened.Record()
	renewed.Serial++
	replaced := cold.Access
	cold.Access = unsigned("access", now.Add(time.Minute))
	cold.Refresh.RenewedBy("spent", "valid", false)
	opened = renewSealed(t, a, opened, renewed, cold)
	newest := cookieOf(t, a, opened)
	r, _ := visitSealed(a, before)
	if err := a.store.Delete("cognito_cold_" + opened.Name()); err != nil {
		t.Fatal(err)
	}
	if got, err := a.AccessToken(r); err == nil || got == replaced.Reveal() {
		t.Errorf("the handler gets a token that was replaced: %v", err)
	}
	r, _ = visitSealed(a, newest)
	if got, err := a.AccessToken(r); err != nil || got != cold.Access.Reveal() {
		t.Errorf("with the newest cookie, the handler gets another token: %v", err)
	}
}

// TestForgottenSessionIsNotPutBack: memory has forgotten a session, and a request that was
// sent before the last renewal, or a connection that is open since, brings it back as it was.
// The newest cookie counts, and is not replaced by one with a refresh token that is spent.
func TestForgottenSessionIsNotPutBack(t *testing.T) {
	now := time.Now()
	a := engineOfSealed(t, func() time.Time { return now })
	opened, cold, before := beginSealed(t, a, now, "spent")
	renewed := opened.Record()
	renewed.Serial++
	cold.Refresh.RenewedBy("spent", "valid", false)
	opened = renewSealed(t, a, opened, renewed, cold)
	newest := cookieOf(t, a, opened)
	visitSealed(a, before)
	visitSealed(a, newest) // both are known from now on
	for _, honest := range []bool{false, true} {
		if err := a.sessions.Remove(&opened.Handle); err != nil {
			t.Fatal(err)
		}
		if !honest {
			visitSealed(a, before)
		}
		r, id := visitSealed(a, newest)
		if id.Session == nil || id.Session.Serial != renewed.Serial {
			t.Errorf("the session is the one of before: %v", id.Err)
		}
		if a.carry(r, id); r.Response.Header.PeekCookie("cognito_session") != nil {
			t.Error("the newest cookie is replaced")
		}
	}
}

// TestLateCookieGetsTheNewestOne: two instances have renewed one cookie, and the browser has
// brought the other one's here. Requests that were sent before, with either of the others,
// get that one: only its refresh token is valid.
func TestLateCookieGetsTheNewestOne(t *testing.T) {
	now := time.Now()
	a := engineOfSealed(t, func() time.Time { return now })
	opened, cold, first := beginSealed(t, a, now, "parent")
	visitSealed(a, first)
	mine, others := opened.Record(), opened.Record()
	mine.Serial, others.Serial, others.Expires = 2, 2, others.Expires+1000
	cold.Refresh.RenewedBy("parent", "mine", false)
	opened = renewSealed(t, a, opened, mine, cold)
	ours := cookieOf(t, a, opened)
	visitSealed(a, ours)
	cold.Refresh = session.NewCandidates("valid")
	newest := "1" + a.sealed.sealer.Seal(opened.ID, others, cold)
	visitSealed(a, newest)
	for _, late := range []string{first, ours} {
		r, who := visitSealed(a, late)
		a.carry(r, who)
		var sent fasthttp.Cookie
		if err := sent.ParseBytes(r.Response.Header.PeekCookie("cognito_session")); err != nil {
			t.Errorf("there is no cookie: %v", err)
			continue
		}
		got, err := a.sealed.sealer.Open(sent.Value()[1:])
		if err != nil || got.Cold.Refresh.First() != "valid" {
			t.Errorf("the cookie has a refresh token that is not the newest: %v", err)
		}
	}
	// The honest case: whoever brings it keeps it.
	r, who := visitSealed(a, newest)
	if a.carry(r, who); r.Response.Header.PeekCookie("cognito_session") != nil {
		t.Error("the newest cookie is replaced")
	}
}

// TestInventedCookiesAreNotRemembered: strangers may send as many cookies that do not open as
// they like. None takes the place of one that does.
func TestInventedCookiesAreNotRemembered(t *testing.T) {
	now := time.Now()
	a := engineOfSealed(t, func() time.Time { return now })
	_, _, value := beginSealed(t, a, now, "refresh")
	for cookie, remembered := range map[string]bool{value: true, "1" + strings.Repeat("invented", 30): false} {
		if _, id := visitSealed(a, cookie); (id.User != nil) != remembered {
			t.Errorf("%.20s… signs in %v", cookie, id.User)
		}
		if known := a.sealed.opened.Get(openedKey([]byte(cookie))); (known != nil) != remembered {
			t.Errorf("%.20s… is remembered: %v", cookie, known != nil)
		}
	}
}

package engine

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
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
	}, Hooks{SetLocals: func(*fasthttp.RequestCtx, *session.Identity) {}, OnEvent: func(Event) {}})
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

// visitSealed is a request with a cookie, as far as its handler.
func visitSealed(a *Engine, value string) (Request, *session.Identity) {
	r := Request{RequestCtx: &fasthttp.RequestCtx{}, Path: "/", Method: fasthttp.MethodGet}
	r.Request.Header.SetCookie("cognito_session", value)
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
	cold := session.Cold{Access: unsigned("access", now), ID: unsigned("id", now), Refresh: session.NewCandidates("refresh")}
	opened, _, err := a.sessions.BeginListed(hotOfSealed(now), cold, "")
	if err != nil {
		t.Fatal(err)
	}
	value, err := a.sealedValue(opened, nil)
	if err != nil {
		t.Fatal(err)
	}
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
	watch := a.Watch(r)
	now = now.Add(55 * time.Minute) // the tokens have expired
	forget()
	if _, err := watch.User(); !fault.IsUnknown(err) {
		t.Errorf("for an open connection, the session has ended: %v", err)
	}
}

// TestForgottenSessionIsNotPutBack: memory has forgotten a session, and a request that was
// sent before the last renewal, or a connection that is open since, brings it back as it was.
// The newest cookie counts, and is not replaced by one with a refresh token that is spent.
func TestForgottenSessionIsNotPutBack(t *testing.T) {
	now := time.Now()
	a := engineOfSealed(t, func() time.Time { return now })
	cold := session.Cold{Access: unsigned("access", now), ID: unsigned("id", now), Refresh: session.NewCandidates("spent")}
	opened, _, err := a.sessions.BeginListed(hotOfSealed(now), cold, "")
	if err != nil {
		t.Fatal(err)
	}
	before, err := a.sealedValue(opened, nil)
	if err != nil {
		t.Fatal(err)
	}
	renewed := opened.Record()
	renewed.Serial++
	cold.Refresh.RenewedBy("spent", "valid", false)
	if opened, err = a.sessions.Save(&opened.Handle, renewed, &cold); err != nil {
		t.Fatal(err)
	}
	newest, err := a.sealedValue(opened, nil)
	if err != nil {
		t.Fatal(err)
	}
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
	cold := session.Cold{Access: unsigned("access", now), ID: unsigned("id", now), Refresh: session.NewCandidates("parent")}
	opened, _, err := a.sessions.BeginListed(hotOfSealed(now), cold, "")
	if err != nil {
		t.Fatal(err)
	}
	first, err := a.sealedValue(opened, nil)
	if err != nil {
		t.Fatal(err)
	}
	visitSealed(a, first)
	mine, others := opened.Record(), opened.Record()
	mine.Serial, others.Serial, others.Expires = 2, 2, others.Expires+1000
	cold.Refresh.RenewedBy("parent", "mine", false)
	if opened, err = a.sessions.Save(&opened.Handle, mine, &cold); err != nil {
		t.Fatal(err)
	}
	ours, err := a.sealedValue(opened, nil)
	if err != nil {
		t.Fatal(err)
	}
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

package engine

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/valyala/fasthttp"
)

// TestForgottenTokensComeWithTheCookie: more sessions are in use than memory holds. It has
// forgotten the tokens of one, which were written first, and still knows who is signed in.
// The tokens are in the cookie: handlers get them, and the cookie can be prolonged.
func TestForgottenTokensComeWithTheCookie(t *testing.T) {
	now := time.Now()
	a, err := New(Settings{
		ClientID: "client", UserPoolID: "eu-west-2_AbCdEfGhI", CookieName: "cognito_session", CookieSessions: true, Keys: secret.NewKeys(nil),
		IdleTimeout: time.Hour, AbsoluteTimeout: 6 * time.Hour, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	}, Hooks{SetLocals: func(*fasthttp.RequestCtx, *session.Identity) {}})
	if err != nil {
		t.Fatal(err)
	}
	token := func(use string) secret.Text {
		payload := fmt.Sprintf(`{"sub":"alice","token_use":%q,"exp":%d}`, use, now.Add(time.Hour).Unix())
		return secret.Text("e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln")
	}
	access, id := token("access"), token("id")
	hour := session.MomentOf(now.Add(time.Hour))
	opened, _, err := a.sessions.BeginListed(session.Hot{
		Serial: 1, Renewable: true, Subject: "alice", User: claims.Text{Bytes: []byte(`{"sub":"alice"}`)}, Payload: claims.Text{Bytes: []byte(`{"sub":"alice"}`)},
		Moments: session.Moments{RenewAfter: hour, Expires: hour},
	}, session.Cold{Access: access, ID: id, Refresh: session.NewCandidates("refresh")}, "")
	if err != nil {
		t.Fatal(err)
	}
	value, err := a.sealedValue(opened, nil)
	if err != nil {
		t.Fatal(err)
	}
	visit := func() (Request, *session.Identity) {
		r := Request{RequestCtx: &fasthttp.RequestCtx{}, Path: "/", Method: fasthttp.MethodGet}
		r.Request.Header.SetCookie("cognito_session", value)
		id := a.identify(r)
		a.attach(r, id)
		return r, id
	}
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
	if got, err := a.AccessToken(r); err != nil || got != access.Reveal() {
		t.Errorf("a handler gets no token: %v", err)
	}
	forget()
	now = now.Add(10 * time.Minute) // more than a tenth of IdleTimeout
	r, who = visit()
	a.carry(r, who)
	if r.Response.Header.PeekCookie("cognito_session") == nil {
		t.Error("the cookie is not prolonged")
	}
	// The honest case: nothing is forgotten.
	r, _ = visit()
	if got, err := a.AccessToken(r); err != nil || got != access.Reveal() {
		t.Errorf("a handler gets no token although nothing is forgotten: %v", err)
	}
}

package attacks_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// Faults between the visitor's return and the session.

// TestExchangeFails: whatever becomes of the exchange, the code is sent once, for a
// second try could only hide why the first one failed. No session begins, and the
// visitor can try again.
func TestExchangeFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault cognitotest.Fault
		want  error
	}{
		{"500", cognitotest.Fault{Status: 500, Body: `{"error":"server_error"}`}, cognito.ErrUnavailable},
		{"502 in HTML", cognitotest.Fault{Status: 502, ContentType: "text/html", Body: "<html>"}, cognito.ErrUnavailable},
		{"429", cognitotest.Fault{Status: 429, Body: `{"error":"too_many_requests"}`}, cognito.ErrUnavailable},
		{"a firewall", cognitotest.Fault{Status: 403, ContentType: "text/html", Body: "<html>"}, cognito.ErrUnavailable},
		{"200 in HTML", cognitotest.Fault{Status: 200, ContentType: "text/html", Body: "<html>"}, cognito.ErrUnavailable},
		{"200 with an error", cognitotest.Fault{Status: 200, Body: `{"error":"invalid_grant"}`}, cognito.ErrUnavailable},
		{"200 with nothing", cognitotest.Fault{Status: 200, Body: `{}`}, cognito.ErrUnavailable},
		{"half an answer", cognitotest.Fault{Status: 200, Body: `{"access_token":"`}, cognito.ErrUnavailable},
		{"a proxy that looks like Cognito", cognitotest.Fault{Status: 400, ContentType: "text/plain", Body: `{"error":"invalid_grant"}`}, cognito.ErrUnavailable},
		{"a reset", cognitotest.Fault{LoseAnswer: true}, cognito.ErrUnavailable},
		{"silence", cognitotest.Fault{Hang: true}, cognito.ErrUnavailable},
		{"invalid_grant", cognitotest.Fault{Status: 400, Body: `{"error":"invalid_grant"}`}, cognito.ErrCodeRefused},
		{"invalid_client", cognitotest.Fault{Status: 400, Body: `{"error":"invalid_client"}`}, cognito.ErrMisconfigured},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var refused refusals
			s := lab.Serve(t, refused.hook, func(c *cognito.Config) { c.HTTPClient = impatientClient(t) }, lab.InMemory)
			// A first login leaves an idle connection, over which net/http
			// would repeat a request more readily.
			mustSignIn(t, "the login before", s.Finish(lab.Halfway(s, "bob")))
			p := lab.Halfway(s, "alice", "return_to=/me")
			s.Pool.Break(cognitotest.Token, tt.fault)
			res := s.Finish(p)
			if err := refused.take(); !errors.Is(err, tt.want) {
				t.Errorf("answered with %v, %s, want %v", err, lab.StatusLine(res), tt.want)
			}
			mustOnlyClear(t, res, p.Cookie.Name)
			s.Pool.Heal()
			res = s.Finish(p) // the visitor reloads the page
			mustNotSignIn(t, "the reloaded page", res)
			if !leadsToCognito(s, res) {
				t.Errorf("the reloaded page answers %s, want a login", lab.StatusLine(res))
			}
			if calls := s.Pool.Calls(cognitotest.Token); calls != 2 {
				t.Errorf("%d token calls for two logins, want 2", calls)
			}
			mustSignIn(t, "the next login", s.Finish(lab.Answered(s, onward(res), "alice")))
		})
	}
}

// impatientClient waits three seconds for Cognito: enough for an honest call on a busy
// machine.
func impatientClient(t *testing.T) *http.Client {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 3 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// mustOnlyClear wants an answer whose only cookie is one being deleted.
func mustOnlyClear(t *testing.T, r *lab.Answer, name string) {
	t.Helper()
	if set := r.Cookies(); len(set) != 1 || set[0].Name != name || set[0].Value != "" || set[0].Expires.After(time.Now()) {
		t.Errorf("the answer sets %q, want only %s deleted", r.Header.Values("Set-Cookie"), name)
	}
}

// TestFailedLoginPage: the page says what to do, and its link leads on to where they
// were going.
func TestFailedLoginPage(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Status: http.StatusBadGateway, ContentType: "text/html", Body: "<html>", Times: 1})
	v := s.Visitor()
	page := v.Login(s.URL+"/me?tab=2", "alice", lab.PasswordOf("alice"))
	if page.Status != http.StatusServiceUnavailable || !strings.Contains(page.Body, `<a href="/login?return_to=%2Fme%3Ftab%3D2">Try again</a>`) {
		t.Errorf("the failed login shows %d: %s", page.Status, page.Body)
	}
	v.MustBeStranger()
	if page = v.Get(s.URL + "/login?return_to=%2Fme%3Ftab%3D2"); page.URL.String() != s.URL+"/me?tab=2" || page.Status != http.StatusOK {
		t.Errorf("trying again led to %s with %d", page.URL, page.Status)
	}
}

// TestSessionCannotBeStored: Cognito has issued tokens, but the storage takes no
// session. Half a session must not stay, nor a refresh token that nobody knows of.
func TestSessionCannotBeStored(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"cognito_cold_", "cognito_hot_"} {
		t.Run(kind, func(t *testing.T) {
			var refused refusals
			storage := newBrittleStorage()
			s := lab.Serve(t, refused.hook, storage.hook)
			issued := make(chan any, 1)
			s.Pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Rewrite: func(answer map[string]any) { issued <- answer["refresh_token"] }})
			storage.breakWith(func(operation, key string) error {
				if operation == "set" && strings.HasPrefix(key, kind) {
					return errors.New("read only")
				}
				return nil
			})
			p := lab.Halfway(s, "alice")
			res := s.Finish(p)
			if err := refused.take(); !errors.Is(err, cognito.ErrUnavailable) {
				t.Errorf("answered with %v, %s", err, lab.StatusLine(res))
			}
			mustOnlyClear(t, res, p.Cookie.Name)
			if left := storage.count("cognito_"); left != 0 {
				t.Errorf("%d records are left: %.200q", left, storage.dump())
			}
			storage.breakWith(nil)
			session := mustSignIn(t, "the next login", s.Finish(lab.Halfway(s, "alice")))
			if err := s.Auth.Close(); err != nil { // waits for what runs in the background
				t.Fatal(err)
			}
			revoked := s.Pool.Requests(cognitotest.Revoke)
			if want := fmt.Sprint(<-issued); len(revoked) != 1 || revoked[0].Form.Get("token") != want {
				t.Errorf("%d refresh tokens were revoked, want the one of the login that failed", len(revoked))
			}
			if who := whoIs(s, session); who != "alice@example.com" {
				t.Errorf("the next login made alice %s", who)
			}
		})
	}
}

// TestCallbackWhileStorageIsDown is the last row of the table: if it cannot be
// known whether a login is in progress, nothing changes, and the same callback
// works later.
func TestCallbackWhileStorageIsDown(t *testing.T) {
	t.Parallel()
	var refused refusals
	storage := newBrittleStorage()
	s := lab.Serve(t, refused.hook, storage.hook)
	session := mustSignIn(t, "the login before", s.Finish(lab.Halfway(s, "bob")))
	p := lab.Halfway(s, "alice", "return_to=/me")
	for _, down := range []string{"get", "delete"} {
		storage.breakWith(func(operation, _ string) error {
			if operation == down {
				return errors.New("down")
			}
			return nil
		})
		res := s.Finish(p)
		if err := refused.take(); !errors.Is(err, cognito.ErrUnavailable) || res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("without %s: answered with %v, %s", down, err, lab.StatusLine(res))
		}
		lab.SetsNothing(t, "a callback without "+down, res)
	}
	storage.breakWith(func(string, string) error { return errors.New("down") })
	for _, r := range []lab.Request{
		{Path: "/login"}, {Path: p.Callback, Cookies: []*http.Cookie{session}}, // a stray one
		{Path: "/login/redirect?error=access_denied&state=" + p.State, Cookies: []*http.Cookie{p.Cookie}},
	} {
		res := s.Send(r)
		if err := refused.take(); !errors.Is(err, cognito.ErrUnavailable) {
			t.Errorf("%.30s: answered with %v, %s", r.Path, err, lab.StatusLine(res))
		}
		lab.SetsNothing(t, r.Path, res)
	}
	storage.breakWith(nil)
	if calls := s.Pool.Calls(cognitotest.Token); calls != 1 {
		t.Errorf("%d token calls for one login, want 1", calls)
	}
	if res := s.Finish(p); res.Header.Get("Location") != "/me" {
		t.Errorf("the same callback, later, answers %s", lab.StatusLine(res))
	}
	if who := whoIs(s, session); who != "bob@example.com" {
		t.Errorf("bob is %s", who)
	}
}

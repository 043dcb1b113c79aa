package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// demo is the app with its demo users.
func demo(t *testing.T) (*fiber.App, *cognitotest.Pool) {
	t.Helper()
	box := cognitotest.New(cognitotest.Options{Users: demoUsers})
	t.Cleanup(box.Close)
	return appOver(t, box), box
}

// browse is a request of a person who opens a page, and fetch one of a script.
func browse(path string, cookies ...*http.Cookie) *http.Request {
	request := fetch(path, cookies...)
	request.Header.Set("Accept", "text/html")
	return request
}

func fetch(path string, cookies ...*http.Cookie) *http.Request {
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Host = "localhost:8021"
	for _, cookie := range cookies {
		request.AddCookie(cookie)
	}
	return request
}

// answer is what the app says to a request.
func answer(t *testing.T, app *fiber.App, request *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := app.Test(request, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// object is the JSON object that the app answers with.
func object(t *testing.T, app *fiber.App, request *http.Request, status int, contentType string) map[string]any {
	t.Helper()
	res, body := answer(t, app, request)
	if res.StatusCode != status || res.Header.Get("Content-Type") != contentType {
		t.Fatalf("%s answers %d with %s, want %d with %s", request.URL, res.StatusCode, res.Header.Get("Content-Type"), status, contentType)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Fatalf("%s answers %q: %v", request.URL, body, err)
	}
	return fields
}

// TestMe checks what is known of a user: the claims at the top level, where
// their readers look for them, and when the tokens expire.
func TestMe(t *testing.T) {
	app, box := demo(t)
	cookies := box.SignIn(app, "alice")
	for _, path := range []string{"/me", "/api/me"} {
		user := object(t, app, browse(path, cookies...), http.StatusOK, "application/json")
		if user["sub"] == nil || user["cognito:username"] != "alice" || user["email"] != "alice@example.com" || user["email_verified"] != true {
			t.Errorf("%s shows %v", path, user)
		}
		mustExpireIn(t, user, time.Hour)
	}
}

// mustExpireIn checks the time in expires_at, give or take what a slow test
// has spent since the login.
func mustExpireIn(t *testing.T, fields map[string]any, life time.Duration) {
	t.Helper()
	text, _ := fields["expires_at"].(string)
	at, err := time.Parse(time.RFC3339, text)
	if left := time.Until(at); err != nil || left > life || left < life-time.Minute {
		t.Errorf("expires_at is %v, want a time in %s (%v)", fields["expires_at"], life, err)
	}
}

// TestAPIByBearerToken asks as a program that has a token of its own. It is
// told of that token, whatever session its cookie may belong to.
func TestAPIByBearerToken(t *testing.T) {
	app, box := demo(t)
	for _, path := range []string{"/me", "/api/me"} {
		request := fetch(path, box.SignIn(app, "alice")...)
		box.Authorize(request, "bob", map[string]any{"exp": box.Now().Add(10 * time.Minute).Unix()})
		user := object(t, app, request, http.StatusOK, "application/json")
		if user["username"] != "bob" {
			t.Errorf("%s shows %v", path, user)
		}
		mustExpireIn(t, user, 10*time.Minute)
	}
}

// TestAPIRefusals checks the answers to scripts that may not, each of which
// says in JSON what to do.
func TestAPIRefusals(t *testing.T) {
	app, box := demo(t)
	ended := box.SignIn(app, "alice")
	link := browse("/logout", ended...)
	link.Header.Set("Referer", "http://localhost:8021/") // on a page of the app
	answer(t, app, link)
	byToken := func(username string, claims map[string]any) *http.Request {
		request := fetch("/api/me")
		box.Authorize(request, username, claims)
		return request
	}
	tests := []struct {
		name    string
		request *http.Request
		want    int
		code    string
		login   any
	}{
		{"nobody", fetch("/api/me"), http.StatusUnauthorized, "not_signed_in", "/login"},
		{"ended session", fetch("/api/me", ended...), http.StatusUnauthorized, "session_ended", "/login"},
		{"expired token", byToken("alice", map[string]any{"exp": box.Now().Add(-time.Hour).Unix()}), http.StatusUnauthorized, "invalid_token", "/login"},
		{"machine's token", byToken("", map[string]any{"scope": "orders/read"}), http.StatusForbidden, "forbidden", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			problem := object(t, app, tt.request, tt.want, "application/problem+json")
			if problem["code"] != tt.code || problem["login_url"] != tt.login || problem["title"] == nil || problem["detail"] == nil {
				t.Errorf("the problem is %v", problem)
			}
		})
	}
}

// TestAdmin opens the page of the admins as one of them, as somebody else and
// as a stranger.
func TestAdmin(t *testing.T) {
	app, box := demo(t)
	tests := []struct {
		name           string
		request        *http.Request
		want           int
		says, location string
	}{
		{"alice", browse("/admin", box.SignIn(app, "alice")...), http.StatusOK, "Only the group admin sees this", ""},
		{"bob", browse("/admin", box.SignIn(app, "bob")...), http.StatusForbidden, "Not allowed", ""},
		{"stranger", browse("/admin"), http.StatusFound, "", "/login?return_to=%2Fadmin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, body := answer(t, app, tt.request)
			if res.StatusCode != tt.want || res.Header.Get("Location") != tt.location || !strings.Contains(body, tt.says) {
				t.Errorf("the answer is %d to %q:\n%s", res.StatusCode, res.Header.Get("Location"), body)
			}
			if tt.want != http.StatusOK && strings.Contains(body, "Only the group admin") {
				t.Error("the page of the admins is shown")
			}
			if caching := res.Header.Get("Cache-Control"); !strings.Contains(caching, "no-store") {
				t.Errorf("the answer may be kept: Cache-Control is %q", caching)
			}
		})
	}
}

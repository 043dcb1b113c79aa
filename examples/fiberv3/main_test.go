package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/fiberv3/cognitotest"
	"github.com/gofiber/fiber/v3"
)

// TestApp: a stranger is led to the login, and alice sees her name and her claims.
func TestApp(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := newApp(pool)
	t.Cleanup(func() { _ = app.Shutdown() })
	ask := func(path string, cookies ...*http.Cookie) (status int, body string) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = "localhost:8021"
		r.Header.Set("Accept", "text/html")
		for _, cookie := range cookies {
			r.AddCookie(cookie)
		}
		response, err := app.Test(r, fiber.TestConfig{Timeout: 0})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	if status, body := ask("/"); status != http.StatusOK || !strings.Contains(body, "Nobody") {
		t.Errorf("a stranger sees %d %s", status, body)
	}
	if status, _ := ask("/account"); status != http.StatusFound {
		t.Errorf("a stranger at /account gets %d, want the way to the login", status)
	}
	alice := pool.SignIn(app, "alice")
	if status, body := ask("/", alice...); status != http.StatusOK || !strings.Contains(body, "Hello Alice Liddell") {
		t.Errorf("alice sees %d %s", status, body)
	}
	if status, body := ask("/account", alice...); status != http.StatusOK || !strings.Contains(body, `"email":"alice@example.com"`) {
		t.Errorf("alice's account is %d %s", status, body)
	}
}

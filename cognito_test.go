package cognito_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// TestJourney tells the whole story as a visitor's browser lives it: a guarded
// page, the login, a wrong password, the right one, the page at last, and the
// way out.
func TestJourney(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	v := s.Visitor()

	v.MustBeStranger()
	page := v.Get(s.URL + "/me?tab=2")
	if !strings.HasPrefix(page.URL.String(), s.Pool.URL()) {
		t.Fatalf("a guarded page led to %s, want the pool's login page", page.URL)
	}
	page = v.Login(s.URL+"/me?tab=2", "alice", "wrong")
	if !strings.HasPrefix(page.URL.String(), s.Pool.URL()) {
		t.Fatalf("a wrong password led to %s", page.URL)
	}
	page = v.Login(s.URL+"/me?tab=2", "alice", lab.PasswordOf("alice"))
	if page.URL.String() != s.URL+"/me?tab=2" || page.Status != http.StatusOK {
		t.Fatalf("the login ended on %s with %d, want the page it began at", page.URL, page.Status)
	}
	user := lab.Decode(t, page.Body)
	if user["email"] != "alice@example.com" || user["email_verified"] != true {
		t.Errorf("/me shows %v", user)
	}
	for _, name := range []string{"iss", "aud", "exp", "iat", "nonce", "at_hash", "jti", "token_use"} {
		if _, shown := user[name]; shown {
			t.Errorf("/me shows the protocol's own claim %s", name)
		}
	}
	payload := lab.Decode(t, v.Get(s.URL+"/payload").Body)
	if payload["token_use"] != "access" || payload["client_id"] != s.Pool.Config().ClientID || payload["username"] != "alice" {
		t.Errorf("/payload shows %v", payload)
	}
	token := v.Get(s.URL + "/token").Body
	if _, err := s.Auth.VerifyAccessToken(t.Context(), token); err != nil {
		t.Errorf("the access token does not verify: %v", err)
	}
	if s.Pool.Calls(cognitotest.Token) != 1 || s.Pool.Calls(cognitotest.UserInfo) != 0 {
		t.Errorf("the login took %d token calls and %d of userInfo, want 1 and 0", s.Pool.Calls(cognitotest.Token), s.Pool.Calls(cognitotest.UserInfo))
	}

	page = v.Post(s.URL+"/logout", nil)
	if page.URL.String() != s.URL+"/" || page.Body != "hello stranger" {
		t.Errorf("logging out led to %s, which says %q", page.URL, page.Body)
	}
	if page = v.Get(s.URL + "/login"); !strings.Contains(page.Body, `type="password"`) {
		t.Errorf("after logging out, the login asks for no password: %d at %s", page.Status, page.URL)
	}
}

// TestConfidentialClient logs in with a client secret, and reads userInfo.
func TestConfidentialClient(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetClient(cognitotest.Client{ID: "confidential", Secret: "s3cret/with+odd=characters"})
	s := lab.ServeWith(t, pool, func(c *cognito.Config) {
		c.ClientID, c.ClientSecret, c.UserInfo = "confidential", "s3cret/with+odd=characters", true
	})
	v := s.Visitor()
	v.LogIn()
	sent := pool.Requests(cognitotest.Token)
	if len(sent) != 1 {
		t.Fatalf("%d token requests, want 1", len(sent))
	}
	id, secret, ok := lab.BasicAuth(sent[0].Header)
	if !ok || id != "confidential" || secret != "s3cret/with+odd=characters" {
		t.Errorf("the client authenticated as %q", id)
	}
	if sent[0].Form.Has("client_secret") || sent[0].Form.Has("client_id") {
		t.Error("credentials are in the body as well")
	}
	user := lab.Decode(t, v.Get(s.URL+"/me").Body)
	if user["email_verified"] != true {
		t.Errorf("email_verified is %v (%T), want the boolean", user["email_verified"], user["email_verified"])
	}
	if strings.Contains(s.Logged.String(), "s3cret") {
		t.Error("the client secret is in the log")
	}
}

// TestStaysSignedIn spends a working day: tokens expire and are renewed, and
// nobody notices.
func TestStaysSignedIn(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	v := s.Visitor()
	v.LogIn()
	for range 9 {
		s.Pool.Advance(61 * time.Minute)
		v.MustBeSignedIn()
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 10 {
		t.Errorf("%d token calls in nine hours, want 10", calls)
	}
}

// TestRegister: an app that wants our paths among its routes gets them there, and
// they work without the middleware before them; with it, they are served once.
func TestRegister(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	for _, use := range []bool{false, true} {
		auth, err := cognito.NewAuth(pool.Config())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = auth.Close() })
		app := fiber.New()
		if use {
			app.Use(auth.Handler())
		}
		auth.Register(app)
		listed := map[string]bool{}
		for _, route := range app.GetRoutes(true) {
			listed[route.Method+" "+route.Path] = true
		}
		for _, want := range []string{"GET /login", "GET /login/redirect", "POST /logout", "POST /token/refresh"} {
			if !listed[want] {
				t.Errorf("%s is not among the routes", want)
			}
		}
		for path, want := range map[string]int{"/login": http.StatusFound, "/login/redirect": http.StatusBadRequest, "/token/refresh": http.StatusMethodNotAllowed, "/other": http.StatusNotFound} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = "localhost"
			response, err := app.Test(r, -1)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != want {
				t.Errorf("GET %s, with the middleware %t, answers %d, want %d", path, use, response.StatusCode, want)
			}
		}
	}
}

// TestAppTestIdioms holds what the required fasthttp must not break: a user's own
// suite calls app.Test with whatever requests come easily, and from fasthttp 1.70
// on those without a Host header, which an absolute address makes of them, get 400.
func TestAppTestIdioms(t *testing.T) {
	t.Parallel()
	auth, err := cognito.NewAuth(lab.NewPool(t).Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { auth.Close() })
	app := fiber.New()
	app.Use(auth.Handler())
	app.Get("/", func(c *fiber.Ctx) error { return c.SendString("here") })
	absolute := httptest.NewRequest("GET", "http://app.example/", nil)
	bare, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, request := range map[string]*http.Request{"a path": httptest.NewRequest("GET", "/", nil), "an absolute address": absolute, "no host": bare} {
		response, err := app.Test(request, -1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %d, want 200", name, response.StatusCode)
		}
	}
}

package userpool_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// newApp starts the smallest relying party there is: it sends visitors to the
// pool, trades their code and says who they are. Its session is a cookie that
// anybody could write, which is enough here.
func newApp(t *testing.T, pool *userpool.Pool) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	t.Cleanup(app.Close)
	pool.AllowOrigin(app.URL)
	clientID := "1example23456789"

	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, pool.URL()+"/oauth2/authorize?"+url.Values{
			"response_type": {"code"}, "client_id": {clientID}, "state": {"s"}, "scope": {"openid"},
			"redirect_uri": {app.URL + "/login/redirect"},
		}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("GET /login/redirect", func(w http.ResponseWriter, r *http.Request) {
		response, err := http.PostForm(pool.URL()+"/oauth2/token", url.Values{
			"grant_type": {"authorization_code"}, "client_id": {clientID},
			"code": {r.URL.Query().Get("code")}, "redirect_uri": {app.URL + "/login/redirect"},
		})
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = response.Body.Close() }()
		var tokens map[string]any
		if err := json.NewDecoder(response.Body).Decode(&tokens); err != nil || response.StatusCode != 200 {
			http.Error(w, "no tokens", http.StatusBadGateway)
			return
		}
		_, claims := decode(t, tokens["id_token"])
		http.SetCookie(w, &http.Cookie{Name: "who", Value: claims["cognito:username"].(string), Path: "/"})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		who := "nobody"
		if cookie, err := r.Cookie("who"); err == nil {
			who = cookie.Value
		}
		_, _ = w.Write([]byte(r.Method + " by " + who + " from " + r.Header.Get("Sec-Fetch-Site")))
	})
	return app
}

// TestBrowserSignsIn tells a visitor's whole story against a real application.
func TestBrowserSignsIn(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{})
	t.Cleanup(pool.Close)
	app := newApp(t, pool)
	b := pool.NewBrowser()

	if page := b.Get(app.URL); page.Body != "GET by nobody from none" {
		t.Errorf("a stranger sees %q", page.Body)
	}
	if page := b.Login(app.URL+"/login", "alice", "builder"); page.URL.Path != "/login" ||
		!strings.HasPrefix(page.URL.String(), pool.URL()) || page.Status != http.StatusOK {
		t.Errorf("with a wrong password: %d at %s, want the pool's login page", page.Status, page.URL)
	}
	page := b.Login(app.URL+"/login", "alice", "wonderland")
	// From the pool's page to the application the way has crossed ports.
	if page.Body != "GET by alice from same-site" || page.URL.String() != app.URL+"/" {
		t.Errorf("alice sees %q at %s", page.Body, page.URL)
	}
	var paths []string
	for _, stop := range page.Trail {
		u, err := url.Parse(stop)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, u.Path)
	}
	if got := strings.Join(paths, " "); got != "/login /oauth2/authorize /login /login /login/redirect /" {
		t.Errorf("her way was %s", got)
	}
	if cookie := page.Cookies[len(page.Cookies)-1]; cookie.Name != "who" || cookie.Value != "alice" {
		t.Errorf("the last cookie on her way was %s", cookie)
	}
	// Hosts do not tell ports apart, so the pool's cookies are there too.
	names := map[string]bool{}
	for _, cookie := range b.Cookies(app.URL) {
		names[cookie.Name] = true
	}
	if !names["who"] || !names["cognito"] {
		t.Errorf("her browser has %v", names)
	}
	if again := b.Login(app.URL+"/login", "bob", "builder"); again.Body != "GET by alice from none" {
		t.Errorf("known to the pool she sees %q, want no login page in between", again.Body)
	}
	if form := b.Post(app.URL, url.Values{"x": {"1"}}); form.Body != "POST by alice from same-origin" {
		t.Errorf("a form of hers gets %q", form.Body)
	}
}

// TestBrowserWithoutServer checks that a dead or circling server is a page with
// an error, for a test may be about just that.
func TestBrowserWithoutServer(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{})
	defer pool.Close()
	circle := httptest.NewServer(http.RedirectHandler("/", http.StatusFound))
	page := pool.NewBrowser().Get(circle.URL)
	if page.Err == nil || page.Status != 0 || len(page.Trail) < 20 {
		t.Errorf("in circles: got %d after %d stops, error %v", page.Status, len(page.Trail), page.Err)
	}
	circle.Close()
	if page := pool.NewBrowser().Login(circle.URL, "alice", "wonderland"); page.Err == nil || page.Status != 0 {
		t.Errorf("no server: got %d, error %v", page.Status, page.Err)
	}
	wantPanic(t, "userpool", func() { pool.NewBrowser().Get("http://a b/") })
}

// TestBrowserOpensDocuments: an application can tell that a page is opened, from where,
// and what a form was.
func TestBrowserOpensDocuments(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{})
	defer pool.Close()
	var got []string
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h := r.Header
		got = append(got, strings.Join([]string{r.Method, h.Get("Accept"), h.Get("Sec-Fetch-Dest"), h.Get("Sec-Fetch-Mode"),
			h.Get("Sec-Fetch-Site"), h.Get("Content-Type"), h.Get("Origin"), r.FormValue("a")}, " | "))
	}))
	defer app.Close()
	b := pool.NewBrowser()
	b.Get(app.URL + "/")
	b.Post(app.URL+"/", url.Values{"a": {"b"}})
	const accept = "text/html,application/xhtml+xml,*/*;q=0.8"
	want := []string{
		"GET | " + accept + " | document | navigate | none |  |  | ",
		"POST | " + accept + " | document | navigate | same-origin | application/x-www-form-urlencoded | " + app.URL + " | b",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the application got %q, want %q", got, want)
	}
}

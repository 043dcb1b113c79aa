package main

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
)

// serve starts the app on a real listener.
func serve(t *testing.T) (address string, pool *cognitotest.Pool) {
	t.Helper()
	pool = cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app, err := newApp(pool.Config())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	address = "http://localhost:" + port
	pool.AllowOrigin(address)
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		_ = app.Shutdown()
		<-served
	})
	return address, pool
}

// open opens a page in a language.
func open(t *testing.T, b *cognitotest.Browser, method, address, language string) *cognitotest.Page {
	t.Helper()
	r, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	r.Header.Set("Accept-Language", language)
	r.Header.Set("Origin", regexp.MustCompile(`^https?://[^/]+`).FindString(address))
	page := b.Do(r)
	if page.Err != nil {
		t.Fatal(page.Err)
	}
	return page
}

// TestPagesInTheVisitorsLanguage: whatever is refused, and whoever refuses it, the page
// is the app's own and in the language that the visitor prefers.
func TestPagesInTheVisitorsLanguage(t *testing.T) {
	address, pool := serve(t)
	bob := pool.NewBrowser()
	if home := bob.Login(address+"/login", "bob", "builder"); home.Err != nil || home.Status != http.StatusOK {
		t.Fatalf("bob's login ends with %d %v", home.Status, home.Err)
	}
	for _, row := range []struct {
		method, path, language string
		status                 int
		want                   []string
	}{
		{"GET", "/admin", "en-GB,en;q=0.9", 403, []string{`lang="en"`, "<h1>Not allowed</h1>", `<a class="home" href="/">Back to Acme</a>`, ">Sign in as someone else<", "Reference: "}},
		{"GET", "/admin", "de-DE,de;q=0.9,en;q=0.5", 403, []string{`lang="de"`, "<h1>Kein Zugriff</h1>", `<a class="home" href="/">Zurück zu Acme</a>`, ">Als jemand anderes anmelden<", "Vorgang: "}},
		{"GET", "/admin", "fr", 403, []string{`lang="en"`, "<h1>Not allowed</h1>"}},
		{"GET", "/login?prompt=a&prompt=b", "de", 400, []string{"<h1>Dieser Link funktioniert nicht</h1>"}},
		{"GET", "/nowhere", "de", 404, []string{"<h1>Seite nicht gefunden</h1>", `href="/"`}},
		{"GET", "/nowhere", "en", 404, []string{"<h1>Page not found</h1>", `href="/"`}},
		{"GET", "/broken", "de", 500, []string{"<h1>Etwas ist schiefgegangen</h1>"}},
		{"GET", "/login?refused=cross_origin", "de", 200, []string{"<h1>Anfrage abgelehnt</h1>", "nicht übernommen"}},
		{"GET", "/", "de", 200, []string{"<h1>Hallo Bob Builder</h1>", ">Abmelden<"}},
	} {
		page := open(t, bob, row.method, address+row.path, row.language)
		if page.Status != row.status {
			t.Errorf("%s in %s is answered with %d, want %d", row.path, row.language, page.Status, row.status)
		}
		for _, want := range row.want {
			if !strings.Contains(page.Body, want) {
				t.Errorf("%s in %s lacks %s:\n%s", row.path, row.language, want, page.Body)
			}
		}
		if strings.Contains(page.Body, "file does not exist") {
			t.Errorf("%s tells strangers the cause:\n%s", row.path, page.Body)
		}
		if vary := page.Header.Get("Vary"); !strings.Contains(vary, "Accept-Language") {
			t.Errorf("%s may be cached for another language: Vary is %q", row.path, vary)
		}
	}
}

// TestProgramsGetProblems: a program is answered as without a handler.
func TestProgramsGetProblems(t *testing.T) {
	address, _ := serve(t)
	response, err := http.Get(address + "/admin")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusUnauthorized || kind != "application/problem+json" {
		t.Errorf("a program got %d %s", response.StatusCode, kind)
	}
}

// TestInertiaLeavesForTheLogin: Inertia's client accepts pages, and could show none of these.
func TestInertiaLeavesForTheLogin(t *testing.T) {
	address, pool := serve(t)
	visit, err := http.NewRequest(http.MethodGet, address+"/admin", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"X-Inertia": "true", "X-Requested-With": "XMLHttpRequest", "Accept": "text/html, application/xhtml+xml"} {
		visit.Header.Set(name, value)
	}
	page := pool.NewBrowser().Do(visit)
	if to := page.Header.Get("X-Inertia-Location"); page.Status != http.StatusConflict || to != "/login?return_to=%2Fadmin" {
		t.Errorf("it is led to %q with %d: %s", to, page.Status, page.Body)
	}
}

// TestEveryCodeIsTranslated: German visitors are told of all that may happen to them.
func TestEveryCodeIsTranslated(t *testing.T) {
	for _, reason := range []error{
		cognito.ErrNotSignedIn, cognito.ErrForbidden, cognito.ErrCrossOrigin, cognito.ErrSessionEnded, cognito.ErrStaleLogin,
		cognito.ErrNotAdmitted, cognito.ErrDenied, cognito.ErrLoginRequired, cognito.ErrProvider, cognito.ErrBadLogin,
		cognito.ErrStateMismatch, cognito.ErrAttemptExpired, cognito.ErrBadCallback, cognito.ErrCodeRefused,
		cognito.ErrInvalidToken, cognito.ErrLoginLoop, cognito.ErrBusy, cognito.ErrUnavailable, cognito.ErrMisconfigured,
		cognito.ErrInternal, cognito.ErrMethod, cognito.ErrNotNavigation, cognito.ErrAmbiguousPath, cognito.ErrBearerMalformed,
		cognito.ErrLevel, cognito.ErrLevelNotReached,
	} {
		page := cognito.PageOf(reason)
		if translated := inGerman(page); translated.Title == page.Title || translated.Text == page.Text {
			t.Errorf("%s has no German words", page.Code)
		}
	}
}

package userpool

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// SignIn signs a user in to an application and returns the cookies to attach to
// further requests: the one line a handler test needs.
//
//	for _, cookie := range pool.SignIn(app, "alice") {
//		request.AddCookie(cookie)
//	}
//	app.ServeHTTP(recorder, request)
//
// It opens the application's login path ("/login" unless another is given) in
// process, with the host of the first client's first callback URL, and follows
// the login to the pool and back. It skips the pool's page, and with it
// FailNextLogin, calls to the authorization endpoint and the login page, and the
// password. SignIn panics if the application does not complete the login.
//
// If the application checks the host, later requests need the same one.
func (p *Pool) SignIn(app http.Handler, username string, loginPath ...string) []*http.Cookie {
	client, _ := p.client("")
	if len(client.CallbackURLs) == 0 {
		panic("userpool: SignIn: the pool's first client has no callback URL")
	}
	start, err := url.Parse(client.CallbackURLs[0])
	if err != nil {
		panic("userpool: SignIn: " + err.Error())
	}
	path := "/login"
	if len(loginPath) > 0 {
		path = loginPath[0]
	}
	visit := appVisit{app: app, helper: "SignIn"}
	return visit.signIn(p, start.Scheme+"://"+start.Host+path, username, func(q url.Values) authorization {
		request, refused := p.readAuthorization(q)
		if refused != nil {
			panic(fmt.Sprintf("userpool: SignIn: the pool refuses the login with %s: %s (sent: %s)",
				refused.code, cmp.Or(errorTexts[refused.code], refused.description), q.Encode()))
		}
		return request
	})
}

// SignInAt is SignIn for an application whose callback URL is not registered for the
// client: login is the full address of its login page, and the callback URL is not
// checked. Use it for a replacement of an application's middleware.
func (p *Pool) SignInAt(app http.Handler, login, username string) []*http.Cookie {
	visit := appVisit{app: app, helper: "SignInAt"}
	return visit.signIn(p, login, username, func(q url.Values) authorization {
		request := parseAuthorization(q)
		client, ok := p.client(q.Get("client_id"))
		if !ok {
			visit.panicf("the pool has no client %q", q.Get("client_id"))
		}
		request.client = client
		return request
	})
}

// appVisit is a browser's tab inside the process: it asks the application without a
// socket and keeps its cookies.
type appVisit struct {
	app     http.Handler
	helper  string // the method that a panic speaks of
	cookies []*http.Cookie
}

// signIn goes from the login page of an application back into it, and returns
// the cookies that this leaves. The pool reads the request for a code with read.
func (v *appVisit) signIn(p *Pool, login, username string, read func(url.Values) authorization) []*http.Cookie {
	if _, ok := p.user(username); !ok {
		v.panicf("the pool has no user %q, or a disabled one", username)
	}
	answer := v.get(login)
	answer = v.get(v.approve(p, username, answer, read))
	// An application that has let the visitor in sends them on; a page here is
	// one that says what went wrong.
	if answer.status != http.StatusFound && answer.status != http.StatusSeeOther {
		v.panicf("want a redirect into the application, got %s", answer)
	}
	if len(v.cookies) == 0 {
		v.panicf("the application has set no cookie: %s", answer)
	}
	return v.cookies
}

// approve is the pool's part: it answers the application's request for a code at
// once, and returns where the visitor goes with it.
func (v *appVisit) approve(p *Pool, username string, answer appAnswer, read func(url.Values) authorization) string {
	target, query, _ := strings.Cut(answer.location, "?")
	if target != p.url+"/oauth2/authorize" {
		v.panicf("want a redirect to %s/oauth2/authorize, got %s: the application has to start logins at this path, with the settings of this pool", p.url, answer)
	}
	user, _ := p.user(username) // signIn has looked
	values, err := url.ParseQuery(query)
	if err != nil {
		v.panicf("%v in %s", err, answer)
	}
	request := read(values)
	// Neither page nor session: this visitor has no browser that could keep the
	// pool's cookie.
	code := p.issueCode(request, session{username: user.Username, authTime: p.Now(), level: p.levelOf(user, request)})
	return request.location(url.Values{"code": {code}})
}

// panicf ends a test that cannot go on, in the name of the method it called.
func (v *appVisit) panicf(format string, values ...any) {
	panic(fmt.Sprintf("userpool: "+v.helper+": "+format, values...))
}

// appAnswer is what matters of an answer, and prints as a test failure should.
type appAnswer struct {
	request, location, body string
	status                  int
}

func (a appAnswer) String() string {
	return fmt.Sprintf("status %d, Location %q, body %.300q for GET %s",
		a.status, a.location, pageHead.ReplaceAllString(a.body, ""), a.request)
}

// pageHead is what precedes the words of a page, and has more of style than of them.
var pageHead = regexp.MustCompile(`(?is)^.*<body[^>]*>\s*`)

// get opens a page of the application.
func (v *appVisit) get(address string) appAnswer {
	r, err := http.NewRequest(http.MethodGet, address, nil) //nolint:noctx // ends with the handler
	if err != nil {
		v.panicf("%v", err)
	}
	r.Header.Set("Accept", "text/html")
	for _, cookie := range v.cookies {
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	// What a server adds, and a request of a client lacks.
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1234"
	held := &heldAnswer{header: http.Header{}, status: http.StatusOK}
	v.app.ServeHTTP(held, r)
	for _, cookie := range (&http.Response{Header: held.header}).Cookies() {
		v.keep(cookie)
	}
	return appAnswer{
		request: r.URL.Path, location: held.header.Get("Location"),
		body: held.body.String(), status: held.status,
	}
}

// keep replaces the cookie of this name, or drops it if it has expired.
func (v *appVisit) keep(cookie *http.Cookie) {
	kept := v.cookies[:0]
	for _, old := range v.cookies {
		if old.Name != cookie.Name {
			kept = append(kept, old)
		}
	}
	expired := cookie.MaxAge < 0 || !cookie.Expires.IsZero() && cookie.Expires.Before(time.Now())
	if cookie.Value != "" && !expired {
		kept = append(kept, cookie)
	}
	v.cookies = kept
}

package userpool

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// Browser is a visitor: it keeps cookies, follows redirects between the
// application and the pool, and uses real sockets. It sends the headers by which a
// server distinguishes a navigation from a script. It runs no scripts, but submits the
// forms with which SAML providers of its pool send visitors on. Like net/http, it does
// not send Secure cookies over plain HTTP.
//
// One Browser is one visitor. Several tabs may use it at a time.
type Browser struct {
	// HTTPClient follows redirects and has the cookie jar. You may change it, except
	// for CheckRedirect, which is replaced for every request.
	HTTPClient *http.Client

	pool *Pool
}

// Page is the page that a visitor has reached.
type Page struct {
	// URL is the address of the page.
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
	// Trail is every address on the way, including the first and the last.
	Trail []string
	// Cookies are those set on the way, in order.
	Cookies []*http.Cookie
	// Err is why there is no page, if the server could not be reached or there were
	// too many redirects. Status is 0 then, and URL the last one tried.
	Err error
}

// maxRedirects is where browsers give up.
const maxRedirects = 20

// NewBrowser returns a visitor without cookies. Its idle connections are closed
// with the pool.
//
// The application must be reachable at the address that its cookies are for. On
// 127.0.0.1, application and pool share their cookies, because cookies ignore
// ports. To keep them separate, use localhost for the application.
func (p *Pool) NewBrowser() *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic("userpool: " + err.Error()) // impossible: there are no options
	}
	// A transport of its own, so that closing the pool can close its idle
	// connections, and without the environment's proxy.
	b := &Browser{HTTPClient: &http.Client{Jar: jar, Transport: p.newTransport()}, pool: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.browsers = append(p.browsers, b)
	return b
}

// Get opens a page as if the visitor had typed its address.
func (b *Browser) Get(address string) *Page {
	return b.Do(navigation(http.MethodGet, address, "", "none"))
}

// Post submits a form on a page of the same origin. For a form of another origin,
// make the request yourself and use [Browser.Do].
func (b *Browser) Post(address string, form url.Values) *Page {
	r := navigation(http.MethodPost, address, form.Encode(), "same-origin")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
	return b.Do(r)
}

// navigation makes the request of a browser that goes to a page.
func navigation(method, address, body, site string) *http.Request {
	r, err := http.NewRequest(method, address, strings.NewReader(body)) //nolint:noctx // no caller's
	if err != nil {
		panic("userpool: " + err.Error())
	}
	// Enough for an application to see a document being opened. Do sends none
	// of these, for requests of scripts and of programs.
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Site", site)
	return r
}

// Do sends a request unchanged, with the cookies, and follows redirects. Use it for
// anything other than a person who opens pages: a script that fetches, another site
// that posts a form, a prefetch.
//
//	r, _ := http.NewRequest("GET", origin+"/api", nil)
//	r.Header.Set("Sec-Fetch-Mode", "cors")
//	page := b.Do(r)
func (b *Browser) Do(r *http.Request) *Page {
	page := b.do(r)
	for range maxRedirects {
		onward, ok := b.onward(page)
		if !ok {
			return page
		}
		page = page.followedBy(b.do(onward))
	}
	page.Err = errors.New("userpool: too many forms that submit themselves")
	return page
}

// followedBy is the next page with the way to this one.
func (page *Page) followedBy(next *Page) *Page {
	next.Trail = append(page.Trail, next.Trail...)
	next.Cookies = append(page.Cookies, next.Cookies...)
	return next
}

func (b *Browser) do(r *http.Request) *Page {
	page := &Page{URL: r.URL, Trail: []string{r.URL.String()}}
	// A copy for each request, since the hook below writes to its page.
	client := *b.HTTPClient
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		page.URL = next.URL
		page.Trail = append(page.Trail, next.URL.String())
		page.Cookies = append(page.Cookies, next.Response.Cookies()...)
		if len(via) >= maxRedirects {
			return errors.New("userpool: too many redirects")
		}
		travel(next, via[len(via)-1])
		return nil
	}
	response, err := client.Do(r)
	if err != nil {
		page.Err = err
		return page
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		page.Err = err
		return page
	}
	page.Status, page.Header, page.Body = response.StatusCode, response.Header, string(body)
	page.Cookies = append(page.Cookies, response.Cookies()...)
	return page
}

// travel brings the headers of a redirected request up to date, which net/http
// copies from the first one: a way that once left its site never looks
// same-site again, and a GET has no Origin.
func travel(next, previous *http.Request) {
	if next.Method == http.MethodGet {
		next.Header.Del("Origin")
	}
	site := previous.Header.Get("Sec-Fetch-Site")
	if site == "" {
		return
	}
	switch {
	case site == "none" || site == "cross-site" || next.URL.Host == previous.URL.Host:
	case next.URL.Hostname() == previous.URL.Hostname():
		// Sites do not tell ports apart.
		site = "same-site"
	default:
		site = "cross-site"
	}
	next.Header.Set("Sec-Fetch-Site", site)
}

// Cookies returns what the browser would send to an address.
func (b *Browser) Cookies(address string) []*http.Cookie {
	u, err := url.Parse(address)
	if err != nil {
		panic("userpool: " + err.Error())
	}
	return b.HTTPClient.Jar.Cookies(u)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/bar-tech/cognito"
)

// What the doctor asks a running app, through whatever stands in front of it. Nobody is
// signed in and nobody signed out by it.

// runningApp is where an app answers.
type runningApp struct {
	address string        // without a slash at the end, and without credentials: it is printed
	user    *url.Userinfo // for what stands in front of the app, or nil
	client  *http.Client
}

func newRunningApp(address string) runningApp {
	address, user := withoutUser(strings.TrimSuffix(address, "/"))
	return runningApp{address, user, &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// withoutUser parts an address from its credentials. It must be a URL (errNoAddress).
func withoutUser(address string) (string, *url.Userinfo) {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address, nil
	}
	user := u.User
	u.User = nil
	return u.String(), user
}

// errNoAddress does not quote the address: what cannot be read may hold a password.
var errNoAddress = errors.New("cognito doctor: the app's address is no URL; use one such as https://app.example.com")

// ask sends a request as a page of the app would.
func (a runningApp) ask(ctx context.Context, method, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.address+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/html")
	if a.user != nil {
		password, _ := a.user.Password()
		request.SetBasicAuth(a.user.Username(), password)
	}
	if method == http.MethodPost {
		request.Header.Set("Origin", request.URL.Scheme+"://"+request.URL.Host)
	}
	answer, err := a.client.Do(request)
	if err == nil {
		_ = answer.Body.Close()
	}
	return answer, err
}

// login opens the app's own login.
func (a runningApp) login(ctx context.Context, path string) (*http.Response, error) {
	return a.ask(ctx, http.MethodGet, orElse(path, "/login"))
}

// signOut signs out a visitor who is not signed in, by a form of the app's own pages.
func (a runningApp) signOut(ctx context.Context, path string) (*http.Response, error) {
	return a.ask(ctx, http.MethodPost, orElse(path, "/logout"))
}

// askApp looks where login and sign-out lead, and what comes with them.
func askApp(ctx context.Context, address string, config cognito.Config) []cognito.Finding {
	app := newRunningApp(address)
	finding := func(code, problem, remedy string) []cognito.Finding {
		return []cognito.Finding{{Code: code, Breaks: true, Field: "BaseURL", Value: app.address, Problem: problem, Remedy: remedy}}
	}
	answer, err := app.login(ctx, config.LoginPath)
	if err != nil {
		return finding("app_unreachable", "the app does not respond there: "+err.Error(), "start the app, or pass its address with -app, such as https://app.example.com")
	}
	if code, problem, remedy := judgeAppLogin(app, answer, config); code != "" {
		return finding(code, problem, remedy)
	}
	answer, err = app.signOut(ctx, config.LogoutPath)
	if err != nil {
		return finding("app_sign_out_lost", "its sign-out does not respond: "+err.Error(), "have the proxy pass POST on")
	}
	if to, err := answer.Location(); err != nil || to.Query().Get("client_id") != config.ClientID {
		return finding("app_sign_out_lost", fmt.Sprintf("a sign-out from its own pages does not lead to the sign-out of this app client (status %d)", answer.StatusCode),
			"have the proxy pass POST on to LogoutPath, with the headers Origin, Referer, Cookie and Sec-Fetch-Site")
	}
	return nil
}

// judgeAppLogin finds what is wrong with how a login begins. The code is empty if nothing is.
func judgeAppLogin(app runningApp, answer *http.Response, config cognito.Config) (code, problem, remedy string) {
	to, err := answer.Location()
	if err != nil || to.Query().Get("client_id") != config.ClientID {
		return "app_has_no_login", fmt.Sprintf("%s responds with status %d and does not lead to a login of this app client", answer.Request.URL, answer.StatusCode),
			"have the proxy pass this path on; if it strips a prefix, add the prefix to BaseURL"
	}
	if want := app.address + orElse(config.RedirectPath, "/login/redirect"); to.Query().Get("redirect_uri") != want {
		return "app_base_url_differs", fmt.Sprintf("the app sends its visitors back to %q", to.Query().Get("redirect_uri")),
			"set the app's BaseURL to the address that browsers use"
	}
	if !hasLoginCookie(answer) {
		return "app_cookie_lost", "its login does not set the cookie that it needs",
			"have the proxy pass Set-Cookie on, and not cache this path"
	}
	// A login that a cache gives to the next visitor is one that the first can end.
	if !strings.Contains(answer.Header.Get("Cache-Control"), "no-store") {
		return "app_can_be_cached", "its login has no Cache-Control: no-store, so visitors may get each other's",
			"have the proxy pass Cache-Control on"
	}
	return "", "", ""
}

func hasLoginCookie(answer *http.Response) bool {
	for _, cookie := range answer.Cookies() {
		if strings.Contains(cookie.Name, "cognito_login_") {
			return true
		}
	}
	return false
}

// errSecretForAnybody: whoever answers at the app's address, an attacker on the way to it
// included, could name a domain of theirs and be sent the secret.
var errSecretForAnybody = errors.New("cognito doctor: COGNITO_CLIENT_SECRET is set, but COGNITO_USER_POOL_DOMAIN is not: " +
	"the secret is not sent to a domain that only the app names; set the domain (or -domain), or unset the secret")

// learn sets the variables of settings that a running app tells and nobody has set.
func learn(ctx context.Context, address string) error {
	if os.Getenv("COGNITO_CLIENT_SECRET") != "" && os.Getenv("COGNITO_USER_POOL_DOMAIN") == "" {
		return errSecretForAnybody
	}
	app := newRunningApp(address)
	answer, err := app.login(ctx, os.Getenv("COGNITO_LOGIN_PATH"))
	if err != nil {
		return fmt.Errorf("cognito doctor: the app does not respond: %w", err)
	}
	to, err := answer.Location()
	if err != nil || to.Query().Get("client_id") == "" {
		return fmt.Errorf("cognito doctor: %s responds with status %d and does not lead to a login; if the login is elsewhere, set COGNITO_LOGIN_PATH", answer.Request.URL, answer.StatusCode)
	}
	told := map[string]string{
		"COGNITO_USER_POOL_DOMAIN": to.Scheme + "://" + to.Host, "COGNITO_CLIENT_ID": to.Query().Get("client_id"),
		"COGNITO_SCOPES": to.Query().Get("scope"), "COGNITO_RESOURCE": to.Query().Get("resource"), "COGNITO_BASE_URL": app.address,
		"COGNITO_REDIRECT_PATH": app.pathOf(to.Query().Get("redirect_uri")),
	}
	if answer, err := app.signOut(ctx, os.Getenv("COGNITO_LOGOUT_PATH")); err == nil {
		if to, err := answer.Location(); err == nil {
			told["COGNITO_AFTER_LOGOUT"] = app.pathOf(to.Query().Get("logout_uri"))
		}
	}
	for name, value := range told {
		if os.Getenv(name) != "" || value == "" || name == "COGNITO_BASE_URL" && os.Getenv("BASE_URL") != "" {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// pathOf is the path of one of the app's own URLs, or "".
func (a runningApp) pathOf(address string) string {
	path, own := strings.CutPrefix(address, a.address)
	if u, err := url.Parse(path); !own || err != nil || u.Path != path {
		return ""
	}
	return path
}

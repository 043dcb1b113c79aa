package userpool

import (
	"crypto/subtle"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// The second leg of a login, left out for visitors the pool still knows. They
// arrive from authorize (authorize.go) or from a logout that leads back
// (logout.go), with authorize's parameters in the query, and leave for the
// application with a code once they have given the right password. What stays
// behind is the session (session.go).

// loginTTL is how long a login form can be submitted. Applications are not told of a
// form that was not submitted, so they have to forget the login themselves.
const loginTTL = 5 * time.Minute

// xsrfCookie holds the token that the form repeats in a hidden field. All tabs
// of a browser share it.
const xsrfCookie = "XSRF-TOKEN"

// langPattern is the shape of the lang parameter.
var langPattern = regexp.MustCompile(`^[a-z]{2}(-[A-Z]{2})?$`)

// showLogin shows the form.
func (p *Pool) showLogin(w http.ResponseWriter, r *http.Request) {
	request, refused := p.readAuthorization(r.URL.Query())
	if refused != nil {
		p.refuse(w, r, request, refused)
		return
	}
	// The page speaks English only, but remembers the wish as managed login
	// does.
	if lang := r.URL.Query().Get("lang"); !p.classic && langPattern.MatchString(lang) {
		setPageCookie(w, "lang", lang)
	}
	form := loginForm{Username: request.loginHint, Attempt: p.newAttempt()}
	provider, available := p.chosenProvider(request)
	switch {
	case !available:
		form.Error = "Login option is not available. Please try another one"
	case provider != "":
		p.toProvider(w, r, request, provider)
		return
	}
	p.showForm(w, r, request, form)
}

// submitLogin checks the form and lets the visitor in.
func (p *Pool) submitLogin(w http.ResponseWriter, r *http.Request) {
	request, refused := p.readAuthorization(r.URL.Query())
	if refused != nil {
		p.refuse(w, r, request, refused)
		return
	}
	if !xsrfMatches(r) {
		p.showMessage(w, r, http.StatusForbidden, "Something went wrong", "The form did not come "+
			"from this page, or your browser does not keep its cookie.", "invalid_csrf")
		return
	}
	// A wrong password does not start the five minutes afresh, which is why the
	// form carries the attempt along.
	attempt := r.PostForm.Get("attempt")
	if !p.attemptAlive(attempt) {
		p.abandoned(w, r, request)
		return
	}
	username := strings.TrimSpace(r.PostForm.Get("username"))
	user, problem := p.checkPassword(username, r.PostForm.Get("password"))
	if !request.client.supports(ownDirectory) {
		problem = wrongPasswordText // the page has shown no such form
	}
	if problem != "" {
		p.showForm(w, r, request, loginForm{Username: username, Error: problem, Attempt: attempt})
		return
	}
	// Where the triggers of a real pool run: after the password, before any
	// session or code exists.
	if failure := p.takeFailure(); failure != nil {
		p.refuse(w, r, request, failure)
		return
	}
	started := p.startSession(w, user.Username, request.client, p.levelOf(user, request))
	redirectBack(w, r, request, p.grantTo(request, started))
}

// abandoned answers a form that was submitted too late: managed login gives up
// and never calls the application, the classic page just starts afresh.
func (p *Pool) abandoned(w http.ResponseWriter, r *http.Request, request authorization) {
	if p.classic {
		p.showForm(w, r, request, loginForm{Username: request.loginHint, Attempt: p.newAttempt()})
		return
	}
	p.showMessage(w, r, http.StatusBadRequest, "Something went wrong", "This sign-in took longer "+
		"than five minutes and was cancelled. Go back to the application and try again.",
		"login_timeout")
}

// wrongPasswordText is what the page says of a name or a password.
const wrongPasswordText = "Incorrect username or password."

// checkPassword finds a user by name or e-mail address. An unknown user and a
// wrong password are answered alike, so that nobody can find out who exists.
func (p *Pool) checkPassword(username, password string) (user User, problem string) {
	for _, candidate := range p.allUsers() {
		if p.fold(candidate.Username) != p.fold(username) &&
			(candidate.Email == "" || p.fold(candidate.Email) != p.fold(username)) {
			continue
		}
		// A federated user has no password here, whatever an administrator has set.
		if p.isFederated(candidate.Username) {
			continue
		}
		if subtle.ConstantTimeCompare([]byte(candidate.Password), []byte(password)) != 1 {
			return User{}, wrongPasswordText
		}
		// Only somebody who knows the password is told that the account is disabled.
		if candidate.Disabled {
			return User{}, "User is disabled."
		}
		// The pool's page has no form for either: the API ends both states.
		switch p.accountOf(candidate.Username).status {
		case statusUnconfirmed:
			return User{}, "User is not confirmed."
		case statusForceChange:
			return User{}, "You need a new password. Set it with the API."
		}
		return candidate, ""
	}
	return User{}, wrongPasswordText
}

// newAttempt notes that a form is being shown, and names it.
func (p *Pool) newAttempt() string {
	now := p.Now()
	id := randomText(16)
	p.mu.Lock()
	defer p.mu.Unlock()
	dropExpired(p.attempts, func(since time.Time) bool { return now.Sub(since) >= loginTTL })
	p.attempts[id] = now
	return id
}

// attemptAlive reports whether a form was shown less than five minutes ago.
func (p *Pool) attemptAlive(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	since, ok := p.attempts[id]
	return ok && p.Now().Sub(since) < loginTTL
}

// xsrfMatches reports whether the form repeats the cookie's token, which a
// foreign page can neither read nor set.
func xsrfMatches(r *http.Request) bool {
	return csrfMatches(r, xsrfCookie, "_csrf")
}

// xsrfToken returns the browser's token, making one at the first visit. It is
// not renewed while the browser has it, or a second tab would spoil the first.
func xsrfToken(w http.ResponseWriter, r *http.Request) string {
	if cookie, err := r.Cookie(xsrfCookie); err == nil && cookie.Value != "" {
		return cookie.Value
	}
	token := randomText(32)
	setPageCookie(w, xsrfCookie, token)
	return token
}

// setPageCookie sets a cookie that lasts until the browser is closed.
func setPageCookie(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

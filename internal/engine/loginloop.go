package engine

import (
	"fmt"
	"strconv"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
)

// A browser that signs in repeatedly, each time within loginLoopLife of the time before,
// and never arrives, is in a loop. Signed-in users may sign in a few more times: to enter
// their credentials again, or as somebody else.
//
// Without a limit the loop would not end: Cognito's own session signs the visitor in at
// once, without a click. The browser keeps the count, since there is no session to keep
// it in. A visitor who changes it deceives nobody else.
const (
	loginLoopLife      = time.Minute
	mostLogins         = 3
	mostLoginsSignedIn = 6
)

// judgeLoop stops a browser in a loop. Either it loses its session, or it keeps the
// session and is sent here nevertheless, by a guard of another app client whose login
// path our middleware answers.
func (a *Engine) judgeLoop(r Request) *fault.Error {
	count := a.loginLoop(r)
	if count < mostLogins {
		return nil
	}
	if a.identifyOnRoute(r).User == nil {
		return fault.Because(fault.ErrLoginLoop, "%d logins, each within %s of the one before, led to no session that lasts; if the browser accepts cookies, do all instances have the same Storage, CookieSessions, Keys, CookieName and BaseURL?", count, loginLoopLife)
	}
	if count < mostLoginsSignedIn {
		return nil
	}
	return fault.New(fault.Details{
		Reason:  fault.ErrLoginLoop,
		Message: "You're signed in, but this site keeps sending you back to sign in. The problem is with the site, not with your browser.",
		Cause: fmt.Errorf("%d logins, each within %s of the one before, all of which led to a session; do two app clients share %s? Give each middleware its own LoginPath, RedirectPath, LogoutPath and RefreshPath",
			count, loginLoopLife, a.settings.LoginPath),
	})
}

// loginLoop is how many logins in a row have brought this browser back here. It is
// bounded, because the cookie may say anything.
func (a *Engine) loginLoop(r Request) int {
	count, err := strconv.Atoi(string(a.cookies.read(r, []byte(a.cookies.loginLoop))))
	if err != nil || count < 0 {
		return 0
	}
	return min(count, mostLoginsSignedIn)
}

// countLogin counts a login that has succeeded: only such a one leads straight back here
// if the session does not last.
func (a *Engine) countLogin(r Request) {
	a.cookies.set(r, a.cookies.loginLoop, strconv.Itoa(a.loginLoop(r)+1), loginLoopLife)
}

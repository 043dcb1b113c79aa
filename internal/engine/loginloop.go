package engine

import (
	"fmt"
	"strconv"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
)

// A browser that signs in time and again within loginLoopLife, and never arrives, is
// in a loop. Whoever is signed in may sign in a few times more: to prove who they are,
// or as somebody else.
const (
	loginLoopLife      = time.Minute
	mostLogins         = 3
	mostLoginsSignedIn = 6
)

// judgeLoop stops a browser in a loop. It either loses its session, or keeps it and
// is sent here all the same: by a guard of another app client, whose login is out
// of reach behind ours.
func (a *Engine) judgeLoop(r Request) *fault.Error {
	count := a.loginLoop(r)
	if count < mostLogins {
		return nil
	}
	if a.identify(r).User == nil {
		return fault.Because(fault.ErrLoginLoop, "%d logins within %s led to no session that lasts", count, loginLoopLife)
	}
	if count < mostLoginsSignedIn {
		return nil
	}
	return fault.New(fault.Details{
		Reason:  fault.ErrLoginLoop,
		Message: "You're signed in, but this site keeps sending you back to sign in. The problem is with the site, not with your browser.",
		Cause: fmt.Errorf("%d logins within %s, all of which led to a session; do two app clients share %s? Give each middleware its own LoginPath, RedirectPath, LogoutPath and RefreshPath",
			count, loginLoopLife, a.settings.LoginPath),
	})
}

// loginLoop is how many logins in a row have brought this browser back here.
func (a *Engine) loginLoop(r Request) int {
	count, err := strconv.Atoi(string(a.cookies.read(r, []byte(a.cookies.loginLoop))))
	if err != nil || count < 0 {
		return 0
	}
	return min(count, mostLoginsSignedIn)
}

func (a *Engine) countLogin(r Request) {
	a.cookies.set(r, a.cookies.loginLoop, strconv.Itoa(a.loginLoop(r)+1), loginLoopLife)
}

package engine

import (
	"slices"
	"strings"

	"github.com/bar-tech/cognito/internal/fault"
)

// Where a visitor may go on who was refused.

// itself is the address by which a visitor tries once more what could not be done:
// the page itself. Of our own routes that is a login.
func (a *Engine) itself(r Request, e *fault.Error) string {
	if a.route(r.Path) != nil {
		return a.loginAddress(fault.Of(e).ReturnTo, Wishes{})
	}
	return strings.Clone(a.Address(a.returnPath(r.originalURL()))) // the app may keep the error
}

// waysOn are the ways on that can help, the best one first. One of them leads home.
// itself is where the same thing may be tried once more.
func (a *Engine) waysOn(e *fault.Error, itself string) []fault.Way {
	home := fault.Home(a.settings.AppName, a.Address(a.settings.AfterLogin))
	login := a.loginAddress(fault.Of(e).ReturnTo, mending(e))
	// The classic hosted UI signs in whom it remembers, whatever the login says. Only a
	// sign-out leads on from there, and who is not signed in here sees no other way to it.
	leave := fault.Way{Code: "sign_out", Label: "Sign out", Link: a.logoutAddress(fault.Of(e).ReturnTo)}
	var best fault.Way
	// A login would not help against the first of these.
	switch fault.Of(e).Reason {
	case fault.ErrLevelNotReached, fault.ErrMethod, fault.ErrCrossOrigin, fault.ErrAmbiguousPath, fault.ErrNotFound, fault.ErrNotDone:
		return []fault.Way{home}
	case fault.ErrForbidden:
		return []fault.Way{home, {Code: "sign_in_as_someone_else", Label: "Sign in as someone else", Link: login}}
	case fault.ErrNotAdmitted:
		return []fault.Way{home, {Code: "sign_in_as_someone_else", Label: "Sign in as someone else", Link: login}, leave}
	case fault.ErrStaleLogin:
		return []fault.Way{{Code: "sign_in", Label: "Sign in", Link: login}, home, leave}
	case fault.ErrNotSignedIn, fault.ErrSessionEnded, fault.ErrLoginRequired, fault.ErrLevel:
		best = fault.Way{Code: "sign_in", Label: "Sign in", Link: login}
	case fault.ErrUnavailable, fault.ErrInternal, fault.ErrMisconfigured:
		best = fault.Way{Code: "try_again", Label: "Try again", Link: itself} // a login would not help while the storage is down
	default:
		best = fault.Way{Code: "try_again", Label: "Try again", Link: login}
	}
	ways := []fault.Way{best, home}
	// Two buttons to the same place would be one too many.
	return slices.CompactFunc(ways, func(a, b fault.Way) bool { return a.Link == b.Link })
}

// loginURL is where to sign in. A script is told of it to send the browser there, and
// must not bring it back to the address of an API. HTMX goes by itself, and back to
// the page that it was on; so does Inertia.
func (a *Engine) loginURL(r Request, e *fault.Error, asPage bool) string {
	switch {
	case fault.Of(e).Login != "":
		return fault.Of(e).Login
	case asPage:
		return a.loginAddress(fault.Of(e).ReturnTo, mending(e))
	case r.isInertia():
		return a.loginAddress(a.inertiaPage(r), mending(e))
	case !r.isHTMX():
		return a.loginAddress("", mending(e))
	}
	return a.loginAddress(a.htmxPage(r), mending(e))
}

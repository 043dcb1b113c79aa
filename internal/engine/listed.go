package engine

import (
	"strings"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
)

// What a user, or whoever helps them, sees of their sessions, and can end.

type descriptionKey struct{}

// longestDescription bounds what is kept of an app's words for a session.
const longestDescription = 256

// Describe notes what the app wants to show of the session that is about to begin.
func Describe(r Request, text string) {
	r.SetUserValue(descriptionKey{}, strings.Clone(text[:min(len(text), longestDescription)]))
}

var errNoList = fault.Because(fault.ErrMisconfigured, "sessions that travel in their cookies are in no list; seeing and ending them takes a Storage in place of CookieSessions")

// Sessions are those of a user that are alive.
func (a *Engine) Sessions(subject string) ([]session.Listed, error) {
	if a.sealed != nil {
		return nil, errNoList
	}
	return a.sessions.List(subject)
}

// EndSession ends one session of a user, if it is theirs.
func (a *Engine) EndSession(subject, id string) error {
	listed, err := a.Sessions(subject)
	if err != nil {
		return err
	}
	for _, each := range listed {
		if each.Name == id {
			return a.endListed(each.Name)
		}
	}
	return nil // it is over
}

// EndSessions ends all sessions of a user, and says how many there were.
func (a *Engine) EndSessions(subject string) (int, error) {
	listed, err := a.Sessions(subject)
	if err == nil {
		err = a.sessions.MarkOver(subject)
	}
	if err != nil {
		return 0, err
	}
	for _, each := range listed {
		if err := a.endListed(each.Name); err != nil {
			return 0, err
		}
	}
	return len(listed), nil
}

// endListed also gives up what only this process has of a session.
func (a *Engine) endListed(name string) error {
	held := a.renewals.Forget(name)
	a.renewals.RevokeLater(held.All()...)
	return a.sessions.EndListed(name)
}

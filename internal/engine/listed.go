package engine

import (
	"cmp"
	"context"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/web"
)

// How users, or those who help them, list sessions and end them.

// descriptionKey is where Describe, called in OnLogin, leaves a text for beginSession.
type descriptionKey struct{}

// longestDescription limits an app's description of a session.
const longestDescription = 256

// Describe notes what the app wants to show of the session that is about to begin.
func Describe(r Request, text string) {
	if !r.isLost() {
		r.SetUserValue(descriptionKey{}, web.Printable(text, longestDescription))
	}
}

var errNoList = fault.Because(fault.ErrMisconfigured, "sessions kept only in cookies cannot be listed; to list and end sessions, set Storage instead of CookieSessions")

// Sessions are those of a user that are alive.
func (a *Engine) Sessions(subject string) ([]session.Listed, error) {
	if a.sealed != nil {
		return nil, errNoList
	}
	return a.sessions.List(subject)
}

// EndSession ends one session of a user, if it is theirs. An app may take the id from a
// form: without the look into the user's own list, anybody could end others' sessions.
func (a *Engine) EndSession(ctx context.Context, subject, id string) error {
	listed, err := a.Sessions(subject)
	if err != nil {
		return err
	}
	for _, each := range listed {
		if each.Name == id {
			return a.endFor(ctx, subject, each.Name)
		}
	}
	return nil // it is over
}

// EndSessions ends all sessions of a user, and says how many there were.
func (a *Engine) EndSessions(ctx context.Context, subject string) (int, error) {
	if a.sealed != nil {
		return 0, errNoList
	}
	// The mark comes first, and also ends sessions that the list misses: one that begins
	// meanwhile comes upon the mark, or is on the list.
	if err := a.sessions.MarkOver(subject); err != nil {
		return 0, err
	}
	listed, err := a.sessions.List(subject)
	if err != nil {
		return 0, err
	}
	// All are tried, whatever comes of one: the part of the storage that fails may hold that
	// one alone, and the next try would come no further.
	var failed error
	for _, each := range listed {
		failed = cmp.Or(failed, a.endFor(ctx, subject, each.Name))
		if ctx.Err() != nil {
			return 0, cmp.Or(failed, ctx.Err())
		}
	}
	if failed != nil {
		return 0, failed
	}
	return len(listed), nil
}

// endFor ends one session and tells OnEvent, with the context of whoever called.
func (a *Engine) endFor(ctx context.Context, subject, name string) error {
	err := a.endListed(name)
	if err == nil {
		a.happened(ctx, Event{Kind: EventEnd, OK: true, Subject: subject})
	}
	return err
}

// makeRoom ends the sessions that exceed the limit when another one begins. If that
// fails, it is tried again at the next login.
func (a *Engine) makeRoom(r Request, subject string, tooMany []string) {
	for _, name := range tooMany {
		if a.endListed(name) == nil {
			a.event(r, Event{Kind: EventEnd, OK: true, Subject: subject})
		}
	}
}

// endListed ends a session in the storage, and gives up what only this process has of
// it. Forget comes first, because from then on a renewal under way cannot keep its tokens.
func (a *Engine) endListed(name string) error {
	held := a.renewals.Forget(name)
	a.renewals.RevokeLater(held.All()...)
	return a.sessions.EndListed(name)
}

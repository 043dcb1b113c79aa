package engine

import (
	"net/http"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
)

// serveRefresh answers RefreshPath: the tokens are renewed now, for scripts
// that want to be ahead of an expiry.
func (a *Engine) serveRefresh(r Request) error {
	if a.crossOrigin(r) {
		return a.refuse(r, fault.Plain(fault.ErrCrossOrigin))
	}
	id := a.cookies.read(r, a.cookies.session)
	if id == nil {
		return a.refuse(r, session.ErrNobody)
	}
	s, err := a.sessions.Read(id, a.settings.Now())
	if err != nil {
		return a.refuse(r, fault.From(err))
	}
	renewed, err := a.renewals.Wait(s)
	if err != nil {
		if !fault.IsUnknown(err) {
			a.cookies.clear(r, string(a.cookies.session)) // it ended just now
		}
		return a.refuse(r, fault.From(err))
	}
	sealResponse(r)
	return r.json(http.StatusOK, "application/json", map[string]string{"expires_at": renewed.Expires.Time().UTC().Format(time.RFC3339)})
}

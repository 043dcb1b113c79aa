package cognito

import (
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/gofiber/fiber/v2"
)

// serveRefresh answers RefreshPath: the tokens are renewed now, for scripts
// that want to be ahead of an expiry.
func (a *Auth) serveRefresh(c *fiber.Ctx) error {
	if a.crossOrigin(c) {
		return a.refuse(c, fault.Plain(fault.ErrCrossOrigin))
	}
	id := a.cookies.read(c, a.cookies.session)
	if id == nil {
		return a.refuse(c, session.ErrNobody)
	}
	s, err := a.sessions.Read(id, a.config.Now())
	if err != nil {
		return a.refuse(c, fault.From(err))
	}
	renewed, err := a.renewals.Wait(s)
	if err != nil {
		if !fault.IsUnknown(err) {
			a.cookies.clear(c, string(a.cookies.session)) // it ended just now
		}
		return a.refuse(c, fault.From(err))
	}
	sealResponse(c)
	return c.JSON(fiber.Map{"expires_at": renewed.Expires.Time().UTC().Format(time.RFC3339)})
}

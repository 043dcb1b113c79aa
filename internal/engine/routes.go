package engine

import (
	"net/http"
	"slices"
	"strings"

	"github.com/bar-tech/cognito/internal/fault"
)

// route is one of our own paths.
type route struct {
	field   string // the setting
	path    string
	methods []string
	serve   func(Request) error
}

// reading are the methods that change nothing.
var reading = []string{http.MethodGet, http.MethodHead}

// reportTaken finds routes of ours that an earlier middleware answers: visitors
// would come back signed in there but not here, and would be sent to sign in again
// and again.
func (a *Engine) reportTaken(above *Engine) {
	for _, r := range a.routes {
		if above.route(r.path) != nil {
			a.settings.Logger.Error("cognito: a route is unreachable: another middleware, registered earlier, answers there; give each middleware its own paths",
				"field", r.field, "path", r.path, "client", a.settings.ClientID, "above", above.settings.ClientID)
		}
	}
}

// listRoutes lists every path that the middleware answers itself.
func (a *Engine) listRoutes() {
	a.routes = []route{
		{"LoginPath", a.settings.LoginPath, []string{http.MethodGet}, a.serveLogin},
		{"RedirectPath", a.settings.RedirectPath, []string{http.MethodGet}, a.serveCallback},
		// By GET as well, for links: judgeLogout decides which of them end a session.
		{"LogoutPath", a.settings.LogoutPath, []string{http.MethodGet, http.MethodPost}, a.serveLogout},
		// By POST alone: it spends a refresh token, and browsers send the cookie with the
		// GET of another site's link.
		{"RefreshPath", a.settings.RefreshPath, []string{http.MethodPost}, a.serveRefresh},
	}
	if a.settings.UserPath != "" {
		a.routes = append(a.routes,
			route{"UserPath", a.settings.UserPath, reading, a.serveUser},
			route{"UserPath", ScriptPath(a.settings.UserPath), reading, newScript(a.settings, a.pathPrefix).serve})
	}
	if a.resource != nil {
		a.routes = append(a.routes, route{"Audience", a.resource.path, slices.Concat(reading, []string{http.MethodOptions}), a.resource.serve})
	}
}

// Paths are all that the middleware answers itself.
func (a *Engine) Paths() []string {
	paths := make([]string, len(a.routes))
	for i, r := range a.routes {
		paths[i] = r.path
	}
	return paths
}

// route finds our route for a path, or nil. They are so few that a map would
// cost every request more. Paths are compared exactly, whatever Fiber's settings are: a
// proxy's rule for /logout would not see another spelling of it.
func (a *Engine) route(path string) *route {
	for i := range a.routes {
		if a.routes[i].path == path {
			return &a.routes[i]
		}
	}
	return nil
}

// serve answers one of our own routes. A panic in our code, or in a hook, becomes a 500:
// fasthttp would end the process.
func (a *Engine) serve(r Request, to *route) (err error) {
	defer func() {
		if p := recover(); p != nil {
			a.logPanic("serving "+strings.Clone(r.Path), p)
			err = a.refuse(r, fault.Plain(fault.ErrInternal))
		}
	}()
	for _, method := range to.methods {
		// By hand: Fiber's Get would run for HEAD too, and let a link
		// checker use up a code.
		if r.Method == method {
			return to.serve(r)
		}
	}
	r.Response.Header.Set("Allow", strings.Join(to.methods, ", "))
	return a.refuse(r, fault.Plain(fault.ErrMethod))
}

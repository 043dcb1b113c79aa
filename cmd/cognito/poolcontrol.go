package main

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// The control API. Whoever reaches it makes himself any user, so the only ones let in
// are programs of this machine and holders of the token, and never a page of another
// site in the developer's browser, which is on this machine too.

// control serves the API and the page.
type control struct {
	pool  *userpool.Pool
	first poolFirst // what reset goes back to
	token string    // or ""
}

// newControl is nil when nobody has asked for it.
func newControl(pool *userpool.Pool, flags poolFlags) http.Handler {
	if !flags.control {
		return nil
	}
	c := &control{pool: pool, first: poolFirst{pool.Users(), pool.Clients()}, token: flags.token}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePoolPage)
	for pattern, act := range map[string]action{
		"GET /_control/state":                    c.state,
		"GET /_control/requests":                 c.requests,
		"POST /_control/users":                   c.setUser,
		"DELETE /_control/users/{username}":      c.removeUser,
		"PUT /_control/users/{username}/groups":  c.setGroups,
		"POST /_control/users/{username}/revoke": c.revoke,
		"POST /_control/clients":                 c.setClient,
		"POST /_control/clock":                   c.advance,
		"POST /_control/faults":                  c.breakEndpoint,
		"DELETE /_control/faults":                c.heal,
		"POST /_control/tamper":                  c.tamper,
		"DELETE /_control/tamper":                c.stopTampering,
		"POST /_control/failures":                c.failNextLogin,
		"POST /_control/keys/rotate":             c.rotateKeys,
		"POST /_control/keys/drop":               c.dropKeys,
		"POST /_control/reset":                   c.reset,
	} {
		mux.HandleFunc(pattern, c.serve(act))
	}
	return c.guarded(mux)
}

// refusal is an answer that is none of the wished for.
type refusal struct {
	status int
	why    string
}

func (r refusal) Error() string { return r.why }

// guarded turns away whom judge does.
func (c *control) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := c.judge(r); err != nil {
			writeRefusal(w, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		next.ServeHTTP(w, r)
	})
}

// judge says why a request is refused, or nil.
func (c *control) judge(r *http.Request) error {
	// DNS rebinding: a stranger's name that suddenly points here makes his page one of
	// the same origin as this, and only the Host still tells.
	if !c.knowsHost(r.Host) {
		return refusal{http.StatusForbidden, fmt.Sprintf("the control API is not served at %q: use localhost, or the url in the settings file", r.Host)}
	}
	// A page of another site, whose browser sends one of these along.
	if origin := r.Header.Get("Origin"); origin != "" && !sameOrigin(origin, r) {
		return refusal{http.StatusForbidden, fmt.Sprintf("pages at %q may not control the pool", origin)}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); r.URL.Path != "/" && site != "" && site != "same-origin" && site != "none" {
		return refusal{http.StatusForbidden, "pages of other sites may not control the pool"}
	}
	// A form can be sent anywhere without a preflight, but not as JSON.
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if (r.Method == http.MethodPost || r.Method == http.MethodPut) && media != "application/json" {
		return refusal{http.StatusUnsupportedMediaType, "send Content-Type: application/json"}
	}
	return c.judgeCaller(r)
}

// judgeCaller wants the token if there is one, and else a caller on this machine. The
// page itself shows nothing, and asks for the token.
func (c *control) judgeCaller(r *http.Request) error {
	if c.token != "" {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if r.URL.Path != "/" && subtle.ConstantTimeCompare([]byte(given), []byte(c.token)) != 1 {
			return refusal{http.StatusUnauthorized, "send Authorization: Bearer with the token in POOL_TOKEN"}
		}
		return nil
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err != nil || !isLoopback(host) {
		return refusal{http.StatusForbidden, "only this machine may control the pool without a token; to allow others, set POOL_TOKEN"}
	}
	return nil
}

// knowsHost reports whether a Host is this machine's or the pool's public one.
func (c *control) knowsHost(hostport string) bool {
	asked := url.URL{Host: hostport}
	public, err := url.Parse(c.pool.URL())
	return isLoopback(asked.Hostname()) || err == nil && asked.Host != "" && asked.Host == public.Host
}

// sameOrigin reports whether an Origin is that of the request.
func sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host && (u.Scheme == "https") == (r.TLS != nil)
}

// action does what a request asks for and returns what to answer, as JSON.
type action func(r *http.Request) (any, error)

func (c *control) serve(act action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := act(r)
		if err != nil {
			writeRefusal(w, err)
			return
		}
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		writeControl(w, http.StatusOK, answer)
	}
}

// writeRefusal answers with the cause: whoever gets here is a developer.
func writeRefusal(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if refused := (refusal{}); errors.As(err, &refused) {
		status = refused.status
	}
	writeControl(w, status, map[string]string{"error": err.Error()})
}

func writeControl(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client may have left
}

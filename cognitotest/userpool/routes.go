package userpool

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// route is one endpoint: where it is, what it answers to, and how.
type route struct {
	endpoint Endpoint
	path     string
	work     map[string]http.HandlerFunc // by method
	cors     bool                        // open to scripts of every origin
}

// routes lists the whole surface of the pool. CORS is open where Cognito opens it,
// which is where scripts of other origins call, and cannot be configured there either.
func (p *Pool) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range p.endpoints() {
		mux.Handle(r.path, p.serve(r))
	}
	api := p.serve(route{IDP, "/", map[string]http.HandlerFunc{http.MethodPost: p.serveIDP()}, true})
	mux.HandleFunc("POST /{$}", api)
	mux.HandleFunc("OPTIONS /{$}", api)
	mux.HandleFunc("GET /{$}", p.serveFront)
	mux.HandleFunc("GET /error", p.serveError)
	return mux
}

// endpoints are those with a path of their own.
func (p *Pool) endpoints() []route {
	get := func(h http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{http.MethodGet: h}
	}
	post := func(h http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{http.MethodPost: h}
	}
	form := func(show, submit http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{http.MethodGet: show, http.MethodPost: submit}
	}
	wellKnown := "/" + p.id + "/.well-known/"
	routes := []route{
		{Authorization, "/oauth2/authorize", get(p.serveAuthorize), false},
		{Login, "/login", form(p.showLogin, p.submitLogin), false},
		{SignUp, "/signup", form(p.showSignUp, p.submitSignUp), false},
		{Forgotten, "/forgotPassword", form(p.showForgotten, p.submitForgotten), false},
		{Confirm, "/confirm", form(p.showConfirm, p.submitConfirm), false},
		{Token, "/oauth2/token", post(p.serveToken), true},
		{UserInfo, "/oauth2/userInfo", get(p.serveUserInfo), true},
		{Revoke, "/oauth2/revoke", post(p.serveRevoke), true},
		{IDPResponse, "/oauth2/idpresponse", get(p.serveIDPResponse), false},
		{SAMLResponse, "/saml2/idpresponse", post(p.serveSAMLResponse), false},
		{SAMLLogout, "/saml2/logout", post(p.serveSAMLLogout), false},
		{ProviderPage, "/providers/{name}", form(p.showProvider, p.submitProvider), false},
		{ProviderPage, "/providers/{name}/logout", get(p.serveProviderLogout), false},
		{Logout, "/logout", get(p.serveLogout), false},
		{JWKS, wellKnown + "jwks.json", get(p.serveJWKS), true},
		{Discovery, wellKnown + "openid-configuration", get(p.serveDiscovery), true},
	}
	if p.clientRegistration.on {
		routes = append(routes, route{Register, "/oauth2/register", post(p.serveRegister), false})
	}
	return routes
}

// serve wraps an endpoint in what all have in common: it records the request, applies
// faults, and refuses methods that the endpoint does not support.
func (p *Pool) serve(to route) http.HandlerFunc {
	allowed := slices.Sorted(maps.Keys(to.work))
	return func(w http.ResponseWriter, r *http.Request) {
		if to.cors {
			w.Header().Set("Access-Control-Allow-Origin", "*")
		}
		// A preflight is the browser's question, not the application's, and
		// so is neither counted nor spoilt.
		if to.cors && r.Method == http.MethodOptions {
			answerPreflight(w, r, allowed)
			return
		}
		// Read before a fault may hang: the server only notices that a client
		// has left once the body is read.
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		// A body that is no form leaves PostForm empty, and the endpoint then
		// misses its parameters.
		_ = r.ParseForm()
		// The pool's clock, so that an application that compares its clock follows Advance.
		w.Header().Set("Date", p.Now().UTC().Format(http.TimeFormat))
		seen := Request{r.Method, r.URL.Query(), r.PostForm, r.Header.Clone(), p.Now()}
		p.traffic.add(to.endpoint, seen)

		work, ok := to.work[r.Method]
		if !ok {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		if fault := p.faults.take(to.endpoint, seen); fault != nil {
			fault.spoil(w, r, work)
			return
		}
		work(w, r)
	}
}

// answerPreflight allows what an endpoint takes.
func answerPreflight(w http.ResponseWriter, r *http.Request, methods []string) {
	w.Header().Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	// Whatever the client sends: Amplify adds x-amz-user-agent.
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		w.Header().Set("Access-Control-Allow-Headers", wanted)
	}
	w.WriteHeader(http.StatusNoContent)
}

// writeJSON answers with a JSON object that no cache may keep.
func writeJSON(w http.ResponseWriter, status int, members map[string]any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(members) // the client may have left
}

// writeOAuthError answers with an OAuth error object. Cognito usually leaves
// the description out.
func writeOAuthError(w http.ResponseWriter, status int, code, description string) {
	members := map[string]any{"error": code}
	if description != "" {
		members["error_description"] = description
	}
	writeJSON(w, status, members)
}

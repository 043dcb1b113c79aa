package cognito_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

const (
	documentPath = "/.well-known/oauth-protected-resource"
	publicBase   = "http://localhost:8021"
)

// isAPI makes an app one that agents can find.
func isAPI(base, audience string) func(*cognito.Config) {
	return func(c *cognito.Config) {
		c.BaseURL, c.Audience, c.BearerClientIDs = base, audience, []string{"*"}
	}
}

// TestAgentFindsItsWay: an agent knows nothing but the API's address. The challenge names
// a document, the document names the pool and what to ask a token for, and the token of
// a client that nobody has heard of is let in.
func TestAgentFindsItsWay(t *testing.T) {
	t.Parallel()
	const api = "https://api.example.com"
	s := lab.ServeAPI(t, isAPI(publicBase, api))
	challenge := s.Send(lab.Request{Path: "/me"}).Header.Get("WWW-Authenticate")
	address, found := strings.CutPrefix(challenge, `Bearer resource_metadata="`)
	path, ours := strings.CutPrefix(strings.TrimSuffix(address, `"`), publicBase)
	if !found || !ours || path != documentPath {
		t.Fatalf("the challenge is %s", challenge)
	}

	res := s.Send(lab.Request{Path: path, Header: lab.From("cross-site", "https://agent.example")})
	for name, want := range map[string]string{"Content-Type": "application/json", "Access-Control-Allow-Origin": "*", "Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"} {
		if got := res.Header.Get(name); res.StatusCode != http.StatusOK || got != want {
			t.Errorf("%d with %s %q, want %q", res.StatusCode, name, got, want)
		}
	}
	document := lab.Decode(t, res.Text)
	servers, _ := document["authorization_servers"].([]any)
	methods, _ := document["bearer_methods_supported"].([]any)
	if !slices.Equal(servers, []any{s.Pool.Config().Issuer}) || !slices.Equal(methods, []any{"header"}) || document["resource"] != api {
		t.Fatalf("the document says %s", res.Text)
	}

	token := s.Pool.AccessToken("", "alice", map[string]any{"client_id": "registered-today", "aud": document["resource"]})
	s.MustSay("alice", s.Bring("/me", token))
	s.MustChallenge(s.Bring("/me", "nonsense"), http.StatusUnauthorized, lab.InvalidToken+`, resource_metadata="`+publicBase+documentPath+`"`)
	s.MustChallenge(s.Bring("/admin", s.Pool.AccessToken("", "bob", map[string]any{"aud": api})), http.StatusForbidden,
		`Bearer error="insufficient_scope", resource_metadata="`+publicBase+documentPath+`"`)
}

// TestResourceDocument checks where the document is, by what the API is called and where
// it is reached, and that there is none unless somebody could use it.
func TestResourceDocument(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	for name, row := range map[string]struct {
		hook func(*cognito.Config)
		at   string // "": nowhere
	}{
		"an origin":           {isAPI(publicBase, "https://api.example.com"), documentPath},
		"with a slash":        {isAPI(publicBase, "https://api.example.com/"), documentPath},
		"a path":              {isAPI(publicBase, "https://api.example.com/v1/mcp"), documentPath + "/v1/mcp"},
		"below a path":        {isAPI(publicBase+"/shop", "https://api.example.com/shop"), documentPath + "/shop"},
		"on this machine":     {isAPI(publicBase, publicBase), documentPath},
		"a name":              {isAPI(publicBase, "orders"), ""},
		"a scheme of its own": {isAPI(publicBase, "orders://api"), ""},
		"a query":             {isAPI(publicBase, "https://api.example.com/?tenant=a"), ""},
		"credentials":         {isAPI(publicBase, "https://me:secret@api.example.com"), ""},
		"an escape":           {isAPI(publicBase, "https://api.example.com/%22"), ""},
		"a dot segment":       {isAPI(publicBase, "https://api.example.com/../admin"), ""},
		"no BaseURL":          {isAPI("", "https://api.example.com"), ""},
		"no Audience":         {func(c *cognito.Config) { c.BaseURL = publicBase }, ""},
		"no Bearer":           {func(c *cognito.Config) { c.BaseURL, c.Bearer = publicBase, false }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := lab.ServeAPIWith(t, pool, row.hook)
			challenge := s.Send(lab.Request{Path: "/me"}).Header.Get("WWW-Authenticate")
			if row.at == "" {
				if res := s.Send(lab.Request{Path: documentPath}); res.StatusCode != http.StatusNotFound || strings.Contains(challenge, "resource_metadata") {
					t.Errorf("%s, and the challenge is %s", lab.StatusLine(res), challenge)
				}
				return
			}
			if res := s.Send(lab.Request{Path: row.at}); res.StatusCode != http.StatusOK || challenge != `Bearer resource_metadata="`+publicBase+row.at+`"` {
				t.Errorf("%s, and the challenge is %s", lab.StatusLine(res), challenge)
			}
		})
	}
}

// TestResourceDocumentForScripts: a script of any origin may ask with headers of its own.
func TestResourceDocumentForScripts(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t, isAPI(publicBase, "https://api.example.com"))
	res := s.Send(lab.Request{Method: "OPTIONS", Path: documentPath, Header: map[string]string{"Origin": "https://agent.example", "Access-Control-Request-Method": "GET"}})
	if res.StatusCode != http.StatusNoContent || res.Header.Get("Access-Control-Allow-Origin") != "*" || res.Header.Get("Access-Control-Allow-Headers") != "*" || res.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("the preflight: %d with %v", res.StatusCode, res.Header)
	}
	for method, want := range map[string]int{"HEAD": 200, "POST": 405, "DELETE": 405} {
		if res := s.Send(lab.Request{Method: method, Path: documentPath}); res.StatusCode != want {
			t.Errorf("%s: %s, want %d", method, lab.StatusLine(res), want)
		}
	}
}

// TestResourceDocumentOutOfReach: under a group, where nobody looks for it, the log says
// so, and Register helps.
func TestResourceDocumentOutOfReach(t *testing.T) {
	t.Parallel()
	for _, registers := range []bool{false, true} {
		s := lab.ServeAppWith(t, lab.NewPool(t), func(app *fiber.App, auth *cognito.Auth) {
			app.Group("/api", auth.Handler()).Get("/who", lab.TellWho)
			if registers {
				auth.Register(app)
			}
		}, lab.TakesBearer, isAPI(publicBase, "https://api.example.com"))
		s.Send(lab.Request{Path: "/api/who"})
		if strings.Contains(s.Logged.String(), "field=Audience") == registers {
			t.Errorf("with Register %t the log says %s", registers, s.Logged.String())
		}
		if res := s.Send(lab.Request{Path: documentPath}); (res.StatusCode == http.StatusOK) != registers {
			t.Errorf("with Register %t: %s", registers, lab.StatusLine(res))
		}
	}
}

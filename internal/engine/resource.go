package engine

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"

	"github.com/bar-tech/cognito/internal/web"
)

// AI agents, and other programs that were not written for this app, can find out where
// to get a token for it: the challenge names a document (the protected resource
// metadata), which names the pool (RFC 9728).

const wellKnownResource = "/.well-known/oauth-protected-resource"

// resource is this app as such a document describes it. nil is one that describes itself
// to nobody.
type resource struct {
	path     string // of the document, within the app
	address  string // of the document
	document []byte
}

// plainPath is one that is sent as it is written. Of any other the route, which is compared
// exactly, might never see the spelling that programs send.
var plainPath = regexp.MustCompile(`^(/[0-9A-Za-z._~-]+)*/?$`)

// newResource is for an API whose tokens are bound to it. Its identifier is the
// Audience, since that is the resource that programs have to request a token for. The
// path of the identifier determines where the document is (RFC 9728 section 3.1): at the
// root of the host, not under the path of BaseURL.
func newResource(s Settings, issuer string) *resource {
	base, err := url.Parse(s.BaseURL)
	name, invalid := url.Parse(s.Audience)
	switch {
	case !s.Bearer || s.BaseURL == "" || s.Audience == "" || issuer == "" || err != nil || invalid != nil:
		return nil
	case name.Scheme != "https" && name.Scheme != "http", name.Host == "", name.User != nil, name.RawQuery != "", name.Fragment != "":
		return nil // a name, and no address: there is no document for such
	case !plainPath.MatchString(name.EscapedPath()) || web.HasDotSegment(name.Path):
		return nil
	}
	path := wellKnownResource
	if name.Path != "/" {
		path += name.Path
	}
	document, err := json.Marshal(map[string]any{
		"resource": s.Audience, "authorization_servers": []string{issuer}, "bearer_methods_supported": []string{"header"},
	})
	if err != nil {
		return nil
	}
	return &resource{path, web.OriginOf(base) + path, document}
}

// serve answers with the document. Everybody may read it, including scripts of any
// origin, which send a preflight request first if they set a header.
func (o *resource) serve(r Request) error {
	header := &r.Response.Header
	header.Set("Access-Control-Allow-Origin", "*")
	if r.Method == http.MethodOptions {
		header.Set("Access-Control-Allow-Methods", "GET, HEAD")
		header.Set("Access-Control-Allow-Headers", "*")
		r.SetStatusCode(http.StatusNoContent)
		return nil
	}
	letCachesKeep(r)
	header.Set("X-Content-Type-Options", "nosniff")
	r.SetContentType("application/json")
	r.SetBody(o.document)
	return nil
}

// named adds to a challenge where the document is (RFC 9728 section 5.1).
func (o *resource) named(challenge string) string {
	switch {
	case o == nil:
		return challenge
	case challenge == "Bearer":
		return challenge + ` resource_metadata="` + o.address + `"`
	}
	return challenge + `, resource_metadata="` + o.address + `"`
}

// ResourcePath is where the document about this app is, or "".
func (a *Engine) ResourcePath() string {
	if a.resource == nil {
		return ""
	}
	return a.resource.path
}

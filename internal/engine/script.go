package engine

import (
	"crypto/sha256"
	_ "embed" // the script is compiled in
	"encoding/base64"
	"net/http"
	"strings"
)

// The script that pages would otherwise all write themselves. It is the same for
// everybody, so it may be cached, unlike what our other routes answer, except for the
// document of resource.go.

//go:embed auth.js
var scriptText string

// ScriptPath is where the script is served beside a UserPath.
func ScriptPath(userPath string) string { return userPath + ".js" }

// script is auth.js with the paths of this app, as browsers see them.
type script struct {
	text string
	tag  string // its ETag
}

// newScript fills in the paths. They contain nothing that has a meaning in a JavaScript
// string (Config.Validate).
func newScript(s Settings, pathPrefix string) script {
	text := strings.NewReplacer(
		"{base}", pathPrefix, "{user}", s.UserPath, "{refresh}", s.RefreshPath, "{login}", s.LoginPath, "{logout}", s.LogoutPath,
	).Replace(scriptText)
	sum := sha256.Sum256([]byte(text))
	return script{text, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// serve answers UserPath + ".js".
func (s script) serve(r Request) error {
	header := &r.Response.Header
	letCachesKeep(r)
	header.Set("ETag", s.tag)
	header.Set("X-Content-Type-Options", "nosniff")
	if isAmong(r.header("If-None-Match"), s.tag) {
		r.SetStatusCode(http.StatusNotModified)
		return nil
	}
	r.SetContentType("text/javascript; charset=utf-8")
	r.SetBodyString(s.text)
	return nil
}

// isAmong reports whether an If-None-Match names a tag. A proxy that compresses makes
// it a weak one, which counts as well (RFC 9110 section 13.1.2).
func isAmong(list, tag string) bool {
	for each := range strings.SplitSeq(list, ",") {
		if each = strings.TrimPrefix(strings.TrimSpace(each), "W/"); each == tag || each == "*" {
			return true
		}
	}
	return false
}

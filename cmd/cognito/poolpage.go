package main

import (
	"crypto/sha256"
	_ "embed" // the page is compiled in
	"encoding/base64"
	"io"
	"net/http"
	"strings"
)

// The page for people at /. It holds no data: its script asks the control API, and so
// what guards that guards what the page shows.

//go:embed poolpage.html
var poolPage string

// poolPagePolicy lets exactly our script and style apply, by their digests, so that no
// name of a user becomes a script.
var poolPagePolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"connect-src 'self'; img-src data:; style-src " + digestOf("style") + "; script-src " + digestOf("script")

// digestOf is the source expression of the page's one element of a name.
func digestOf(element string) string {
	_, text, _ := strings.Cut(poolPage, "<"+element+">")
	text, _, _ = strings.Cut(text, "</"+element+">")
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func servePoolPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", poolPagePolicy)
	// Clickjacking: the buttons are for whoever sees them.
	w.Header().Set("X-Frame-Options", "DENY")
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, _ = io.WriteString(w, poolPage) // the client may have left
}

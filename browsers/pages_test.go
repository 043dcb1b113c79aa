package browsers

import (
	"fmt"
	"strings"

	"github.com/bar-tech/cognito/browsers/internal/stage"
)

// pages are what browsers keep and tell of the app's own pages.
func pages() []story {
	return []story{
		{"E5 back after the logout", func(v *visitor) { v.login().backAfterLogout("/me") }},
		{"E5 back to a page that browsers may keep", func(v *visitor) { v.login().backAfterLogout("/kept") }},
		{"an own form that hides its address", func(v *visitor) { v.login().ownQuietForm() }},
	}
}

// login visits an app of Fiber v2 and signs in there.
func (v *visitor) login() *visitor {
	v.Helper()
	v.visit(stage.V2())
	v.Open(v.scene.App + "/me")
	v.signIn()
	v.MustBeAt(v.scene.App+"/me", "Hello alice@example.com")
	return v
}

// backAfterLogout goes back to a page that greeted the visitor: a page that the
// app lets browsers keep asks again when it is shown (pageshow).
func (v *visitor) backAfterLogout(path string) {
	v.Helper()
	v.Open(v.scene.App + path)
	v.MustSay("Hello alice@example.com")
	v.Follow("#logout")
	v.MustBeAt(v.scene.App+"/", "Nobody is signed in")
	v.Back()
	v.Until("a page without the visitor", func() error {
		if said := v.Text(); said == "" || strings.Contains(said, "alice@example.com") {
			return fmt.Errorf("%s says %q", v.Location(), said)
		}
		return nil
	})
	v.Open(v.scene.App + path)
	v.signIn()
	v.MustBeAt(v.scene.App+path, "Hello alice@example.com")
}

// ownQuietForm posts from a page of the app that hides where it is, so that its
// Origin is null: only Sec-Fetch-Site tells that the page is the app's own.
func (v *visitor) ownQuietForm() {
	v.Helper()
	v.Open(v.scene.App + "/quiet")
	v.Follow("#change")
	v.MustSay("Changed")
}

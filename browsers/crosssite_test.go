package browsers

import (
	"fmt"
	"strings"

	"github.com/bar-tech/cognito/browsers/internal/stage"
	"github.com/bar-tech/cognito/cognitotest"
)

// attacks are what other sites try with the visitor's cookie. They are named after
// their rows.
func attacks() []story {
	return []story{
		{"E1 forms of strangers", func(v *visitor) { v.login().formsOfStrangers(false) }},
		{"E3 forms of strangers behind a service worker", func(v *visitor) { v.login().formsOfStrangers(true) }},
		{"E4 logout links of strangers", func(v *visitor) { v.login().logoutLinksOfStrangers(false) }},
		{"E4 logout links of strangers behind a service worker", func(v *visitor) { v.login().logoutLinksOfStrangers(true) }},
		{"E4 logout forms of strangers", func(v *visitor) { v.login().logoutFormsOfStrangers() }},
	}
}

// strangers are the origins of others: a sibling, whose requests bring the Lax
// cookie of its site, and a foreign site.
func (v *visitor) strangers() []string { return []string{v.scene.Sibling, v.scene.Foreign} }

// cannotTell reports whether the engine says the same of a stranger's request as of
// the app's own. WebKit does, of what a service worker passes on from a page that
// hides where it is; so a worker should leave alone what is not a GET.
func (v *visitor) cannotTell(worker, quiet bool) bool { return worker && quiet && v.Engine == "WebKit" }

// formsOfStrangers has the visitor click on forms of strangers, that post to the
// app at once or by a redirect of their own, and show or hide where they are.
func (v *visitor) formsOfStrangers(worker bool) {
	v.Helper()
	if worker {
		v.installWorker()
	}
	target := v.scene.App + "/me"
	for _, stranger := range v.strangers() {
		for _, quiet := range []bool{false, true} {
			if v.cannotTell(worker, quiet) {
				continue
			}
			for way, to := range map[string]string{"directly": target, "by a redirect": stage.BounceOn(stranger, target, quiet)} {
				v.Open(stage.FormOn(stranger, to, quiet))
				v.Follow("#go")
				what := fmt.Sprintf("a form of %s, quiet=%v, %s", stranger, quiet, way)
				if v.scene.Changes() != 0 {
					v.Fatalf("%s changes something in the visitor's name", what)
				}
				v.mustStillBeSignedIn(what)
			}
		}
	}
	v.Follow("#change")
	v.MustSay("Changed")
	if got := v.scene.Changes(); got != 1 {
		v.Errorf("the app's own form has changed something %d times, want 1", got)
	}
}

// mustStillBeSignedIn opens the app as one who types its address.
func (v *visitor) mustStillBeSignedIn(after string) {
	v.Helper()
	v.Open(v.scene.App + "/")
	if said := v.Text(); !strings.Contains(said, "Hello alice@example.com") {
		v.Fatalf("after %s the app says %q", after, said)
	}
}

// logoutLinksOfStrangers leads the visitor to the app's logout: by a link or a
// redirect of a stranger, and then by the window's own buttons.
func (v *visitor) logoutLinksOfStrangers(worker bool) {
	v.Helper()
	if worker {
		v.installWorker()
	}
	target := v.scene.App + "/logout"
	for _, stranger := range v.strangers() {
		for _, quiet := range []bool{false, true} {
			if v.cannotTell(worker, quiet) {
				continue
			}
			for way, to := range map[string]string{"link": target, "redirect": stage.BounceOn(stranger, target, quiet)} {
				what := fmt.Sprintf("a %s of %s, quiet=%v", way, stranger, quiet)
				v.Open(stage.LinkOn(stranger, to, quiet))
				v.Follow("#go")
				v.mustBeAsked(what)
				if way == "link" {
					v.mustBeAskedAgain(what)
				}
				v.mustStillBeSignedIn(what)
			}
		}
	}
	v.Follow("#leave")
	v.MustBeAt(v.scene.App+"/", "Nobody is signed in")
}

// mustBeAsked wants the page with the button.
func (v *visitor) mustBeAsked(after string) {
	v.Helper()
	if at := v.Location(); at != v.scene.App+"/logout" {
		v.Fatalf("%s leads to %s, which says %q", after, at, v.Text())
	}
	v.MustSay("Sign out")
}

// mustBeAskedAgain comes to the same page by the window's own buttons, of which
// engines say other things than of the link that led there.
func (v *visitor) mustBeAskedAgain(after string) {
	v.Helper()
	v.Reload()
	v.mustBeAsked(after + ", reloaded")
	v.Back()
	v.MustSay("Cute cats")
	v.Forward()
	v.mustBeAsked(after + ", back and forward")
}

// logoutFormsOfStrangers posts to the app's logout. A foreign site's post brings no
// cookie, so it must not take the visitor's away either, nor end Cognito's session.
func (v *visitor) logoutFormsOfStrangers() {
	v.Helper()
	target := v.scene.App + "/logout"
	for _, stranger := range v.strangers() {
		for _, quiet := range []bool{false, true} {
			for way, to := range map[string]string{"directly": target, "by a redirect": stage.BounceOn(stranger, target, quiet)} {
				v.Open(stage.FormOn(stranger, to, quiet))
				v.Follow("#go")
				what := fmt.Sprintf("a form of %s, quiet=%v, %s", stranger, quiet, way)
				if calls := v.scene.Pool.Calls(cognitotest.Logout); calls != 0 {
					v.Fatalf("%s ends Cognito's session", what)
				}
				v.mustStillBeSignedIn(what)
			}
		}
	}
	v.Follow("#logout")
	v.MustBeAt(v.scene.App+"/", "Nobody is signed in")
}

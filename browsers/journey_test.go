package browsers

import (
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/browsers/internal/drive"
	"github.com/bar-tech/cognito/browsers/internal/stage"
)

// story is what one visitor lives through.
type story struct {
	name string
	tell func(v *visitor)
}

// stories are told to every engine.
func stories() []story { return slices.Concat(journeys(), workerJourneys(), pages(), attacks()) }

// TestBrowsers tells every story to every engine.
func TestBrowsers(t *testing.T) {
	for _, engine := range drive.Engines() {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			browser := engine.Open(t)
			for _, story := range stories() {
				t.Run(story.name, func(t *testing.T) {
					story.tell(&visitor{Browser: browser.In(t)})
				})
			}
		})
	}
}

// journeys are what everybody does, with each face of the library.
func journeys() []story {
	var all []story
	for _, face := range stage.Faces() {
		all = append(all, story{"the journey with " + face.Name, func(v *visitor) { v.visit(face).journey() }})
	}
	return all
}

// visitor is somebody in front of a browser.
type visitor struct {
	*drive.Browser
	scene *stage.Scene
}

// visit gives the visitor an app to visit.
func (v *visitor) visit(face stage.Face) *visitor {
	v.Helper()
	v.scene = stage.Set(v.T, face)
	return v
}

// journey opens a guarded page, signs in, comes back to that page, changes
// something there, leaves, and finds that Cognito wants the password again.
func (v *visitor) journey() {
	v.Helper()
	page := v.scene.App + "/me?tab=2"
	v.Open(page)
	v.signIn()
	v.MustBeAt(page, "Hello alice@example.com")
	v.mustHaveSafeCookies()

	v.Follow("#change")
	v.MustBeAt(v.scene.App+"/me", "Changed")
	if got := v.scene.Changes(); got != 1 {
		v.Errorf("the app's own form has changed something %d times, want 1", got)
	}

	v.Follow("#logout")
	v.MustBeAt(v.scene.App+"/", "Nobody is signed in")
	v.Open(page)
	v.signIn()
	v.MustBeAt(page, "Hello alice@example.com")
	v.Follow("#leave")
	v.MustBeAt(v.scene.App+"/", "Nobody is signed in")
}

// signIn fills in the pool's form.
func (v *visitor) signIn() {
	v.Helper()
	v.Type("#username", "alice")
	if at := v.Location(); !strings.HasPrefix(at, v.scene.Auth) {
		v.Errorf("the login form is at %s", at)
	}
	v.Type("#password", "wonderland")
	v.Follow("#login button")
}

// mustHaveSafeCookies looks at what the browser has kept: it keeps a cookie with
// the prefix only if it is Secure, for this host alone and for all its paths.
func (v *visitor) mustHaveSafeCookies() {
	v.Helper()
	cookies := v.Cookies()
	if len(cookies) == 0 {
		v.Error("the browser holds no cookie of the app")
	}
	for _, cookie := range cookies {
		if !strings.HasPrefix(cookie.Name, "__Host-cognito_") || !cookie.Secure || !cookie.HTTPOnly || cookie.Path != "/" ||
			cookie.SameSite != "Lax" {
			v.Errorf("the browser holds the cookie %+v", cookie)
		}
	}
}

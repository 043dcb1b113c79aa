// Package browsers tells the journey and the cross-site attacks to real browsers:
// Chromium, Firefox and WebKit, over TLS, since engines differ in what they say of
// a request, and a test that invents headers only repeats what its author believes.
//
//   - journey_test.go: a guarded page, the login, the way back, the logout, by both
//     faces of the library; worker_test.go: the same behind a service worker that
//     passes every request on;
//   - pages_test.go: the back button after the logout, and a form that hides where
//     it is;
//   - crosssite_test.go: what siblings and foreign sites try with the visitor's
//     cookie;
//   - nginx_test.go: nginx in front, which ends TLS and strips a prefix, with two
//     instances behind it.
//
// internal/drive drives the engines, all by the commands of W3C WebDriver;
// internal/stage sets the scene: a certificate authority, sites, apps, programs.
// A test that lacks its program is skipped, or fails if CI=true is set.
package browsers

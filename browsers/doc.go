// Package browsers tells the journey to real browsers: Chromium, Firefox and WebKit,
// over TLS, since engines differ in what they say of a request, and a test that
// invents headers only repeats what its author believes.
//
//   - journey_test.go: a guarded page, the login, the way back, the logout, by both
//     faces of the library;
//   - pages_test.go: the back button after the logout, and a form that hides where
//     it is;
//   - nginx_test.go: nginx in front, which ends TLS and strips a prefix, with two
//     instances behind it.
//
// internal/drive drives the engines, all by the commands of W3C WebDriver;
// internal/stage sets the scene: a certificate authority, sites, apps, programs.
// A test that lacks its program is skipped, or fails if CI=true is set.
package browsers

// Package e2e proves the library from outside, with the heavy machinery that
// its users should not have to download: a real browser, a real Redis server
// and another implementation of the URL standard.
//
//   - browser_test.go and app_test.go drive Chromium through the example app;
//   - amplify_test.go and oauth2proxy_test.go have others sign in at the pool in a
//     box, a page by Amplify and a proxy for an app;
//   - storage_test.go takes one journey through every storage driver, and stops,
//     hangs and restarts Redis under it;
//   - instances_test.go runs the example as several processes;
//   - returnto_test.go asks a WHATWG URL parser where a login may lead.
//
// A test that lacks its program is skipped, or fails if CI=true is set.
package e2e

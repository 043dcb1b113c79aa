// Package beside holds the tests of what docs/middleware.md says about other middleware:
// what works in front of ours, what behind, and what to mind. Its tests leave
// goroutines of that middleware behind, so it is a package of its own.
package beside

// Package release rehearses a release: what other modules will get of this
// repository, once it is tagged, is served by a module proxy in a directory, and
// programs outside of the repository are built against it.
//
//	go test -tags release ./release
package release

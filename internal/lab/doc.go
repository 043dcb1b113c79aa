// Package lab is what the tests of several rooms share: apps on real sockets,
// each with a pool of its own, visitors, storages that misbehave, and the check
// that no goroutine outlives the tests.
package lab

// Package storages takes one journey through every storage driver that runs here: a
// login, a renewal, a logout, 24 logins at once, an outage and a restart.
//
//   - journey_test.go is the journey;
//   - drivers_test.go opens the drivers, and server_test.go starts what they talk to;
//   - lacks_test.go holds docs/deploy.md to what it says bbolt lacks.
//
// A test that lacks its program is skipped, or fails if CI=true is set.
package storages

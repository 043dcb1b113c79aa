// Package soak lets two real app processes over one real Redis server live
// through everything that may go wrong around a renewal, with visitors who do
// not stop coming.
//
// The app is app/main.go, the visitors are visitors_test.go, what they are told
// is judged in ledger_test.go, and the processes are in machines_test.go. The
// user pool lives in the test process, which knows what it has issued and can
// tell a session that was lost from one that had to end.
//
//	go test -tags soak ./soak           200 sessions, about a minute
//	SOAK=full go test -tags soak -v ./soak   2,000 sessions, some minutes
//	SOAK_SEED=7 SOAK_SESSIONS=50 go test -tags soak -v ./soak
//
// The seed decides which faults come when and to whom. Processes keep their own
// time, so it repeats a run in outline only.
package soak

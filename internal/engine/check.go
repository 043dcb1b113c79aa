package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/doctor"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
)

// checkLife is how long results are cached: a readiness probe asks every few seconds,
// and Cognito limits calls. It is also how long one round may take. So there is
// one at a time, which the doctor relies on: its calls take no place among Cognito's.
const checkLife = 30 * time.Second

// checks keeps what was found last. Whoever asks meanwhile waits for the same answers.
type checks struct {
	mu     sync.Mutex
	latest *check
}

// check is one round of questions.
type check struct {
	done  chan struct{} // closed when found and err are set
	asked time.Time
	found []doctor.Finding
	err   error // asking has failed, and says nothing of what is wrong
}

// Check asks the pool and the storage what is wrong. The questions do not end with the
// caller: a probe that never waits long enough would never get an answer.
func (a *Engine) Check(ctx context.Context) ([]doctor.Finding, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	round, err := a.roundOfChecks()
	if err != nil {
		return nil, err
	}
	select {
	case <-round.done:
		return round.found, round.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// roundOfChecks is the latest round, or a new one if that is too old. The error says that
// no task can begin.
func (a *Engine) roundOfChecks() (*check, error) {
	a.checks.mu.Lock()
	defer a.checks.mu.Unlock()
	if latest := a.checks.latest; latest != nil && time.Since(latest.asked) < checkLife {
		return latest, nil
	}
	// If the questions panic, this error stays, and nobody takes silence for good news.
	round := &check{done: make(chan struct{}), asked: time.Now(), err: errNotAsked}
	err := a.tasks.Within(checkLife, "asking what is wrong", func(ctx context.Context) {
		defer close(round.done)
		round.found, round.err = doctor.Ask(ctx, a.doctorApp(), a.askStorage), nil
	})
	if err != nil {
		return nil, fault.Unavailable(err)
	}
	a.checks.latest = round
	return round, nil
}

// doctorApp is what the doctor has to know.
func (a *Engine) doctorApp() doctor.App {
	s := a.settings
	app := doctor.App{
		Endpoints: a.endpoints, Issuers: a.issuers, PoolID: s.UserPoolID, ClientID: s.ClientID, ClientSecret: s.ClientSecret,
		Scopes: s.Scopes, Resource: s.Resource, Parameters: s.LoginParameters, Challenge: a.hooks.Challenge(secret.Random()), Client: a.client, Now: s.Now,
	}
	if s.BaseURL != "" {
		app.RedirectURI, app.LogoutURI = s.BaseURL+s.RedirectPath, s.BaseURL+s.AfterLogout
	}
	return app
}

var errNotAsked = fault.Because(fault.ErrInternal, "the check itself failed")

var errNotWhatWasWritten = errors.New("the value differs from what was written")

const (
	codeStorage         = "storage_fails"
	codeStorageLifetime = "storage_keeps_no_lifetimes"
)

// askStorage writes, reads and deletes an entry of its own, and waits until another one
// has outlived its life.
func (a *Engine) askStorage(ctx context.Context, _ doctor.App) []doctor.Finding {
	if a.sealed != nil || a.settings.OwnStorage {
		return nil // nothing of the app's is in between
	}
	const life = 2 * time.Second // the shortest that is ever written
	key, mortal := "cognito_check_"+secret.Random(), "cognito_check_"+secret.Random()
	fails := func(doing string, err error) []doctor.Finding {
		return []doctor.Finding{{Code: codeStorage, Breaks: true, Field: "Storage", Problem: doing + " fails: " + err.Error(), Remedy: "fix the storage, or its address in the app"}}
	}
	if err := a.store.Set(key, []byte(key), time.Minute); err != nil {
		return fails("writing", err)
	}
	if read, err := a.store.Get(key); err != nil || string(read) != key {
		if err == nil {
			err = errNotWhatWasWritten
		}
		return fails("reading what was just written", err)
	}
	for _, doing := range []string{"deleting", "deleting what is not there"} {
		if err := a.store.Delete(key); err != nil {
			return fails(doing, err)
		}
	}
	if err := a.store.Set(mortal, []byte(key), life); err != nil {
		return fails("writing", err)
	}
	defer func() { _ = a.store.Delete(mortal) }()
	select {
	case <-ctx.Done():
		return nil // nothing is known of lifetimes
	case <-time.After(2*life + time.Second/2): // drivers look about once a second
	}
	if left, err := a.store.Get(mortal); err == nil && left != nil {
		return []doctor.Finding{{Code: codeStorageLifetime, Field: "Storage", Problem: "entries are still there after their expiration, so the storage grows with every login", Remedy: "delete entries that are older than AbsoluteTimeout yourself; sessions end on time regardless"}}
	}
	return nil
}

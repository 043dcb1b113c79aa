package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// The state file: what a pool takes along from one start to the next.

// stateFile is a file that a pool is kept in, or none when its name is empty.
type stateFile struct {
	name   string
	stderr io.Writer

	mu   sync.Mutex // one save at a time
	pool *userpool.Pool
}

// load takes up what the file says, where the settings say nothing. There is none at the
// first start.
func (s *stateFile) load(pool *userpool.Pool, settings poolFile) error {
	s.pool = pool
	if s.name == "" {
		return nil
	}
	text, err := os.ReadFile(s.name)
	if errors.Is(err, fs.ErrNotExist) {
		return s.save() // at once, lest a wrong path show only at the end
	}
	if err == nil {
		giveWay(pool, settings)
		err = pool.Restore(text)
	}
	if err != nil {
		return fmt.Errorf("state file %s: %w; delete it to start with a new pool", s.name, err)
	}
	return nil
}

// giveWay removes the users and the client that the pool has because the settings name none.
// They would bring back a password that was changed since, and a user who was deleted.
func giveWay(pool *userpool.Pool, settings poolFile) {
	if settings.Users == nil {
		for _, user := range pool.Users() {
			pool.RemoveUser(user.Username)
		}
	}
	if len(settings.Clients) == 0 {
		for _, client := range pool.Clients() {
			pool.RemoveClient(client.ID)
		}
	}
}

// save replaces the file in one step, so that a crash leaves the old one or the new.
func (s *stateFile) save() error {
	if s.name == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := s.pool.Save()
	if err != nil {
		return err
	}
	// Made for its owner alone: there are keys and passwords in it.
	fresh, err := os.CreateTemp(filepath.Dir(s.name), filepath.Base(s.name)+".*")
	if err != nil {
		return err
	}
	_, err = fresh.Write(text)
	if err = errors.Join(err, fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), s.name)
	}
	if err != nil {
		_ = os.Remove(fresh.Name())
	}
	return err
}

// changes are the pages that change something when they are opened: a sign-out, and the
// return from an identity provider, whose user may be new.
var changes = map[string]bool{"/logout": true, "/oauth2/idpresponse": true}

// saving saves after each request that may have changed something, so that a killed
// process forgets nothing that was answered long since.
func (s *stateFile) saving(next http.Handler) http.Handler {
	if s.name == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		if r.Method == http.MethodGet && !changes[r.URL.Path] {
			return
		}
		if err := s.save(); err != nil {
			_, _ = fmt.Fprintf(s.stderr, "cognito pool: the state was not saved: %v\n", err)
		}
	})
}

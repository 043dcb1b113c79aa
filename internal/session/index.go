package session

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/secret"
)

// A user's sessions are found through two more records. The index lists them: it is for
// speed and may miss one, because no driver can safely change a record that another
// instance is changing. The mark says that every session that began before a certain
// time has ended: it is authoritative, and is checked whenever a session is opened
// again, touched or renewed. Requests of an open session read neither. Both records are
// sealed and named with the app's key, so a dump of the storage shows no user.

// Listed is a session as the index has it.
type Listed struct {
	Name               string // of its records
	began, used, until moment // as in Moments
	Description        string // what the app wants to show of it
}

const (
	// mostListed bounds the index of one user, which is read and written as a whole, unless the
	// app allows more sessions than that. Beyond it, those that were not noted for longest are
	// left out; the mark ends them, too.
	mostListed = 200
	// indexTries is how often an entry is written if another instance overwrites it.
	indexTries = 3
)

// indexLocks keep the requests of this process from writing over each other. Instances are
// not kept from it; see note.
type indexLocks [64]sync.Mutex

func (l *indexLocks) of(subject string) *sync.Mutex {
	sum := sha256.Sum256([]byte(subject))
	return &l[int(sum[0])%len(l)]
}

// The names of the two records of a user. Each is derived by the key that seals it.
func indexName(ring secret.Keyring) string { return "cognito_user_" + string(ring.Name[:]) }
func markName(ring secret.Keyring) string  { return "cognito_over_" + string(ring.Name[:]) }

// ringsOf are what a user's two records are named and sealed with, by each of the
// app's keys.
func (s *Store) ringsOf(subject string) []secret.Keyring {
	sum := sha256.Sum256([]byte("cognito subject\x00" + subject))
	return s.users.Private(sum[:])
}

// List are the sessions of a user that are alive, the one used last first.
func (s *Store) List(subject string) ([]Listed, error) {
	var tampered error
	listed, err := s.readIndex(subject, &tampered)
	s.tell(&tampered)
	if err != nil {
		return nil, err
	}
	return s.alive(listed)
}

// alive leaves out those that have ended. It asks for one record after the other, which is
// good enough for a list that somebody looks at, and for logins beyond the limit.
func (s *Store) alive(listed []Listed) ([]Listed, error) {
	var alive []Listed
	for _, each := range listed {
		hot, err := s.Storage.Get(HotPrefix + each.Name)
		if err != nil {
			return nil, err
		}
		if hot != nil {
			alive = append(alive, each)
		}
	}
	slices.SortStableFunc(alive, func(a, b Listed) int { return cmp.Compare(b.used, a.used) })
	return alive, nil
}

// readIndex puts together what each of the app's keys has sealed. The newest key comes
// first, so of a session that two of them know, its entry counts. An index that does not
// open is removed, and noted in tampered: the mark does not depend on it.
func (s *Store) readIndex(subject string, tampered *error) (listed []Listed, err error) {
	now := s.now()
	for _, ring := range s.ringsOf(subject) {
		sealed, err := s.Storage.Get(indexName(ring))
		if err != nil {
			return nil, err
		}
		if sealed == nil {
			continue
		}
		plain, err := ring.Open(indexName(ring), sealed)
		if err != nil {
			if !errors.Is(err, secret.ErrUnknownVersion) { // another release can read it
				*tampered = err
				// Nobody can open it, and every look at it would tell of it again.
				_ = s.Storage.Delete(indexName(ring))
			}
			continue
		}
		for _, each := range decodeIndex(plain) {
			known := slices.ContainsFunc(listed, func(l Listed) bool { return l.Name == each.Name })
			if !known && !each.until.Passed(now) {
				listed = append(listed, each)
			}
		}
	}
	return listed, nil
}

// tell tells of an index or a mark that did not open. It must not run under an index's
// lock: the app hears of it (OnEvent), and may want to end the user's sessions, which takes
// the lock.
func (s *Store) tell(tampered *error) {
	if *tampered != nil {
		s.observer.Tampered(*tampered)
	}
}

// writeIndex stores the index under the key that seals now. It lives as long as the
// longest session in it may. What older keys have sealed stays beside it until it lapses.
func (s *Store) writeIndex(subject string, listed []Listed) error {
	rings := s.ringsOf(subject)
	name := indexName(rings[0])
	return s.Storage.Set(name, rings[0].Seal(name, encodeIndex(listed)), s.total)
}

// note puts a session into its user's index. It comes back to look whether another instance
// has written over it, and returns the list as it saw it last.
func (s *Store) note(subject string, mine Listed) ([]Listed, error) {
	var tampered error
	defer s.tell(&tampered)
	lock := s.indexing.of(subject)
	lock.Lock()
	defer lock.Unlock()
	return s.noteLocked(subject, mine, &tampered)
}

// noteLocked is note for whoever holds the lock of the index, and tells of tampered. If the
// session is listed already, its description stays.
func (s *Store) noteLocked(subject string, mine Listed, tampered *error) ([]Listed, error) {
	var all []Listed
	// Each round but the first reads what the one before has written, unless another instance
	// has written since, which did not know of it.
	for range indexTries {
		listed, err := s.readIndex(subject, tampered)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(listed, func(l Listed) bool { return l.Name == mine.Name })
		if i >= 0 && listed[i].used >= mine.used {
			return listed, nil // still there, or used by somebody else since
		}
		if i >= 0 {
			mine.Description = listed[i].Description
			listed = slices.Delete(listed, i, i+1)
		}
		// The newest comes first, so the cut takes those that were used least recently.
		// It holds more than MaxSessions, or nobody would see that there are too many.
		all = append([]Listed{mine}, listed[:min(len(listed), max(mostListed-1, s.maxSessions))]...)
		if err := s.writeIndex(subject, all); err != nil {
			return nil, err
		}
		if s.alone {
			break
		}
	}
	return all, nil
}

// Unlist takes a session out of its user's index.
func (s *Store) Unlist(subject, name string) error {
	if s.cookieSessions {
		return nil
	}
	var tampered error
	defer s.tell(&tampered)
	lock := s.indexing.of(subject)
	lock.Lock()
	defer lock.Unlock()
	listed, err := s.readIndex(subject, &tampered)
	if err != nil {
		return err
	}
	listed = slices.DeleteFunc(listed, func(l Listed) bool { return l.Name == name })
	if len(listed) > 0 {
		// If another instance writes over this, the entry comes back, and is found dead.
		return s.writeIndex(subject, listed)
	}
	// Under every key: what an older one has sealed is still read.
	for _, ring := range s.ringsOf(subject) {
		if err := s.Storage.Delete(indexName(ring)); err != nil {
			return err
		}
	}
	return nil
}

// admitListed puts a new session into the index, and returns the names of the sessions
// that exceed the limit: the least recently used ones.
func (s *Store) admitListed(opened *Session, description, replaced string) (tooMany []string, err error) {
	listed, err := s.note(opened.Identity.User.Sub(), Listed{
		Name: opened.Name(), began: opened.Began, used: opened.Used, until: opened.until, Description: description,
	})
	if err != nil || s.maxSessions == 0 || len(listed) <= s.maxSessions {
		return nil, err
	}
	// Only now: most logins stay below the limit, and need not look for the dead.
	alive, err := s.alive(listed)
	if err != nil {
		return nil, err
	}
	// Never the new one, whatever the clock of another instance has noted: it takes the first
	// place. Nor the one that it replaces, which ends in any case, or a login for a page that
	// wants a fresh one would end the session of another device.
	others := slices.DeleteFunc(alive, func(l Listed) bool { return l.Name == opened.Name() || l.Name == replaced })
	for _, each := range others[min(s.maxSessions-1, len(others)):] {
		tooMany = append(tooMany, each.Name)
	}
	return tooMany, nil
}

// encodeIndex writes entries one after the other: the name, three moments as varints, and
// the description.
func encodeIndex(listed []Listed) (b []byte) {
	for _, each := range listed {
		b = appendPart(b, []byte(each.Name))
		for _, m := range []moment{each.began, each.used, each.until} {
			b = binary.AppendVarint(b, int64(m))
		}
		b = appendPart(b, []byte(each.Description))
	}
	return b
}

// decodeIndex reads what encodeIndex has written. What follows a truncated entry is lost.
func decodeIndex(b []byte) (listed []Listed) {
	for r := (recordReader{rest: b}); len(r.rest) > 0; {
		each := Listed{Name: string(r.part()), began: r.moment(), used: r.moment(), until: r.moment(), Description: string(r.part())}
		if r.err != nil {
			return listed
		}
		listed = append(listed, each)
	}
	return listed
}

// noteUse tells the index that a session was used. If that fails, only the order of the
// list is affected. So a request waits for no other one, either: where the index hangs, the
// sessions that are listed in it would wait in turn, each for as long as a call may take.
func (s *Store) noteUse(opened *Session) {
	if s.cookieSessions {
		return
	}
	subject := opened.Identity.User.Sub()
	lock := s.indexing.of(subject)
	if !lock.TryLock() {
		return
	}
	var tampered error
	defer s.tell(&tampered)
	defer lock.Unlock()
	_, _ = s.noteLocked(subject, Listed{Name: opened.Name(), began: opened.Began, used: opened.Used, until: opened.until}, &tampered)
}

// BeginListed is begin for a session that its user can list and end. It returns the
// names of sessions that exceed the limit. replaced is the name of the session that the
// caller ends afterwards, or "".
func (s *Store) BeginListed(record Hot, cold Cold, description, replaced string) (opened *Session, tooMany []string, err error) {
	if !s.cookieSessions {
		// After what has ended already, by whichever clock that was: OnLogin may have ended the
		// user's other sessions just now, within the same millisecond.
		record.Began = s.over(record.Subject) + 1
	}
	if opened, err = s.begin(record, cold); err != nil || s.cookieSessions {
		return opened, nil, err
	}
	tooMany, err = s.admitListed(opened, description, replaced)
	if err == nil {
		// If somebody ended all of the user's sessions while this one began, that
		// includes this one.
		err = s.StillOpen(opened)
	}
	if err != nil {
		s.drop(&opened.Handle)
		return nil, nil, err
	}
	return opened, tooMany, nil
}

// Times are when a listed session began, and when it was last used.
func (l Listed) Times() (began, used time.Time) { return l.began.Time(), l.used.Time() }

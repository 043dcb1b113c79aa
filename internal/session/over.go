package session

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/bar-tech/cognito/internal/secret"
)

// The mark of a user, by which all sessions end that began before it (see index.go).

// MarkOver writes the mark that ends every session of a user that began until now. When it
// lapses, all of these have reached their absolute timeout. An instance whose clock is
// behind keeps the later mark of another one.
func (s *Store) MarkOver(subject string) error {
	last := max(MomentOf(s.now()), s.over(subject))
	ring := s.ringsOf(subject)[0]
	return s.Storage.Set(markName(ring), ring.Seal(markName(ring), binary.AppendVarint(nil, int64(last))), s.total)
}

// over is the time that a user's mark holds: all sessions that began until then have ended.
// A mark that cannot be read ends nothing and refuses nobody: the session's own records
// could be read, and the mark is checked again soon. One that does not open is removed and then
// told of, as an index is (readIndex): the app may end the user's sessions upon hearing of it,
// and would hear of it again, and again, until the stack is full.
func (s *Store) over(subject string) moment {
	last := moment(math.MinInt64)
	var tampered error
	defer s.tell(&tampered)
	for _, ring := range s.ringsOf(subject) {
		sealed, err := s.Storage.Get(markName(ring))
		if err != nil || sealed == nil {
			continue
		}
		plain, err := ring.Open(markName(ring), sealed)
		if err != nil {
			if !errors.Is(err, secret.ErrUnknownVersion) { // another release can read it
				tampered = err
				_ = s.Storage.Delete(markName(ring))
			}
			continue
		}
		if over, size := binary.Varint(plain); size > 0 {
			last = max(last, moment(over))
		}
	}
	return last
}

// checkOver checks whether the user's mark says that a session has ended.
func (s *Store) checkOver(handle *Handle, subject string, began moment) error {
	if began > s.over(subject) {
		return nil
	}
	// No tombstone: whoever opens the session again finds the mark.
	s.seen.note(handle.Name(), ended)
	s.drop(handle)
	return ErrNoSession
}

// StillOpen is for callers that continue with a session that was open for long: its
// user's mark may have ended it meanwhile.
func (s *Store) StillOpen(opened *Session) error {
	if s.cookieSessions {
		return nil // they have neither an index nor a mark
	}
	return s.checkOver(&opened.Handle, opened.Identity.User.Sub(), opened.Began)
}

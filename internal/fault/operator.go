package fault

import (
	"errors"
	"log/slog"
	"sync"
)

// ErrTold marks what an operator has been told already, so that the same mistake
// does not raise an alarm at every request.
var ErrTold = errors.New("the operator has been told")

// thingsTold bounds how many different things an operator is told. A name may hold what
// a token says, such as its issuer, and such a name is never forgotten.
const thingsTold = 256

// Operator is told of what only an operator can mend: each thing once, as an error, until it
// is mended. Those who suffer from it are told something bland.
type Operator struct {
	logger *slog.Logger

	mu   sync.Mutex // guards told
	told map[string]bool
}

// NewOperator reads this log.
func NewOperator(logger *slog.Logger) *Operator {
	return &Operator{logger: logger, told: map[string]bool{}}
}

// Tell says what is wrong, unless it was said. Name tells one thing from another.
// The log is not written under the lock: a sink that blocks must not hold up others.
func (o *Operator) Tell(name, text string, attributes ...any) {
	if o.isNew(name) {
		o.logger.Error("cognito: "+text, attributes...)
	}
}

// Mended says that a thing is right again, so that it is told anew if it goes wrong once more.
func (o *Operator) Mended(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.told, name)
}

// isNew notes a name, and reports whether it was not noted before. When there is no more
// room, nothing is new.
func (o *Operator) isNew(name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.told[name] || len(o.told) >= thingsTold {
		return false
	}
	o.told[name] = true
	return true
}

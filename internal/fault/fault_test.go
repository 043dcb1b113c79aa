package fault_test

import (
	"errors"
	"testing"

	"github.com/bar-tech/cognito/internal/fault"
)

// TestAsUnknown: an operator's mistake is an outage to the visitor, and stays
// what it is to the operator.
func TestAsUnknown(t *testing.T) {
	mistake := fault.Because(fault.ErrMisconfigured, "a wrong secret")
	err := fault.AsUnknown(mistake)
	if !errors.Is(err, fault.ErrUnavailable) || !errors.Is(err, mistake) || !errors.Is(err, fault.ErrMisconfigured) {
		t.Errorf("a mistake becomes %v", err)
	}
	if fault.From(err).Status() != 503 || fault.Of(fault.From(err)).RetryAfter <= 0 {
		t.Errorf("it is answered %d, to be retried after %s", fault.From(err).Status(), fault.Of(fault.From(err)).RetryAfter)
	}
	outage := fault.Unavailable(errors.New("no answer"))
	if got := fault.AsUnknown(outage); got != error(outage) {
		t.Errorf("an outage becomes %v", got)
	}
}

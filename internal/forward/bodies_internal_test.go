package forward

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// TestBodyEndsOnce: whoever reads on after the end of a body, or after its answer, gets
// nothing of the next request, which follows on the same connection.
func TestBodyEndsOnce(t *testing.T) {
	connection := strings.NewReader("bodyGET /next")
	for name, body := range map[string]*lent{
		"read to its length": {from: connection, left: 4},
		"read to its end":    {from: io.LimitReader(strings.NewReader(""), 0), left: -1},
	} {
		if _, err := io.ReadAll(io.LimitReader(body, 4)); err != nil {
			t.Error(name, err)
		}
		body.from = connection
		if n, err := body.Read(make([]byte, 4)); n > 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%s: then %d bytes, %v", name, n, err)
		}
		body.withdraw(nil)
		if n, err := body.Read(make([]byte, 4)); n > 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%s: and withdrawn %d bytes, %v", name, n, err)
		}
	}
	withdrawn := &lent{from: connection, left: -1}
	withdrawn.withdraw(nil)
	if n, err := withdrawn.Read(make([]byte, 4)); n > 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("withdrawn: %d bytes, %v", n, err)
	}
}

package session

import (
	"bytes"
	"errors"
	"testing"

	"github.com/bar-tech/cognito/internal/secret"
)

// FuzzSessionRecord: no bytes in a storage make opening or decoding panic, none but our
// own open, and what is encoded is decoded again.
func FuzzSessionRecord(f *testing.F) {
	hot, cold := goldenHotRecord(), goldenColdRecord
	for _, seed := range [][]byte{nil, {secret.SealVersion}, hot.encode(goldenBook), cold.encode(), bytes.Repeat([]byte{0xff}, 40), []byte(`{"user":"alice"}`), append([]byte{secret.SealVersion}, bytes.Repeat([]byte{0}, 60)...)} {
		f.Add(seed)
	}
	handle, ok := NewHandle([]byte(goldenID), goldenRings)
	if !ok {
		f.Fatal("the golden id is refused")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if plain, err := handle.Key.Open(handle.Hot(), data); err == nil {
			t.Fatalf("%x opens as %q", data, plain)
		}
		sealed := handle.Key.Seal(handle.Hot(), data)
		if plain, err := handle.Key.Open(handle.Hot(), sealed); err != nil || !bytes.Equal(plain, data) {
			t.Fatalf("open(seal(%x)) = %x, %v", data, plain, err)
		}
		if record, err := decodeHot(data, goldenBook); err == nil {
			if again, err := decodeHot(record.encode(goldenBook), goldenBook); err != nil || !equalHot(again, record) {
				t.Errorf("%x decodes to %+v and then to %+v, %v", data, record, again, err)
			}
		} else if !errors.Is(err, errShortRecord) {
			t.Errorf("decodeHot() = %v, want errShortRecord", err)
		}
		if record, err := decodeCold(data); err == nil {
			if again, err := decodeCold(record.encode()); err != nil || again != record {
				t.Errorf("%x does not decode to the same twice: %v", data, err)
			}
		} else if !errors.Is(err, errShortRecord) {
			t.Errorf("decodeCold() = %v, want errShortRecord", err)
		}
	})
}

package session

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/secret"
)

// What TestGoldenRecords reads. The session is that of the cookie whose bytes
// are 0 to 31.
const (
	goldenID        = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	goldenBinding   = "eu-west-2_Golden\x00client\x00https://app.example.com\x00cognito_golden"
	goldenServerKey = "ifiXN3BYT1l8Ij2Bl+m0Xo8sXq5tY2lHqzKc0nZb7dE="
	goldenHotKey    = "cognito_hot_6vOONL6UEo0bb-jDXs5lj-vJM7pFNwBWOW06QNJay30"
	goldenColdKey   = "cognito_cold_6vOONL6UEo0bb-jDXs5lj-vJM7pFNwBWOW06QNJay30"

	goldenWholeSealed = "04cd8efbe4fc1ddc49f6c6ccf2579abaca94815a6ec5494811be96609c1f937b609dd2489f021bc251d8efbcaf1d242628e0bc78535f29f93843f2dbe30cb547cad1234aa06640c30f6fad55873a79c5ca48edd39cbeedf871b4c1bd994cb3ff33bdff15007a01943c3a4ea5ce1b6c7dfe513046df4af387f7ccf770779022b1b8e7af138f90bd1b19ddc83b065a33a1b5adac5f8d87bc8675"
	goldenShortSealed = "04644ba683f72db79a23964d0c5197b3134f75ef2fb33a2cd4a1968382b03bcb04a00ffb62465cc5971f43add7dc5ca2e5fb6ce789d19be17a7835d3e7a03e37dd120201509d561a15da504318a285d91cd97c36b78d9198c8947464b5d25d7360c05e22dcd4a3c6453d517875c48b7864e1b91d2fb7ecdd77604998070a32a0ea3db4ab5e138929363bf7fdd2be2b6f6f293d3f86205d4593efe77a4ec913fa383127e6e2a0ae547a97b5e891eb40fa27d6b9adeb958244a801fac84e5bbf061c464546a0fd8bfca0bd86f005"
	goldenColdSealed  = "045cb4572f212c58fe3c1e0abc422453638a203bb62d82c3fc898ce3445ce634ed3030bf4e11c1d0cd97865619e16786d152bdb193dec0e33140a632ab67fb02667edea7f99612cc7684f03248e295d3bcc99bf5bc9d62869a59b91c4169f4e8908691c878bc7324e8b7b2d14782a370b19f7248c78289a8afa0f4bb00697ae87885b01555d6487d1463691c83cb496ac4f1195e1871bed5600047a7415c32e675ec33ec6f6d276820ec9628fe6d51b61eb9ac3934098c7772ac4bf2385f0d20743ed2755604d8c1079ad73bdeeff561a2abedce2a2b3ed313c7aea1d08825800b0ce63bed54026b1d6e95fb447c0e6e35d765af68d5c69481487328453f63650886d4e2723f980bee6ae876c48aa6d8ff40fcb983e710a79f8d53f8cfc12a3471454116f2ebbb3086bdbb1c1f04bf083061719a5ed4953ee50d9114d67920544b0d397c2cb002d3557f62e05cad5958fd2cc4951f"
)

func goldenHotRecord() Hot {
	return Hot{
		Serial: 300, Moments: Moments{
			Began: 1_799_995_800_002, Used: 1_799_998_000_001,
			IdleUntil: 1_800_000_000_001, until: 1_800_600_000_002,
			TouchAfter: 1_799_999_000_003, RenewAfter: -4, Expires: 1_800_000_000_005,
		},
		Renewable: true, User: claims.Text{Bytes: []byte(`{"sub":"1","email":"alice@example.com"}`)}, Payload: claims.Text{Bytes: []byte(`{"sub":"1","scope":"openid"}`)},
	}
}

var goldenColdRecord = Cold{
	Access: "access", ID: "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", Nonce: "nonce", UnverifiedID: "id",
	Refresh: Candidates{[mostCandidates]secret.Text{secret.Text(strings.Repeat("r", 300)), "other", "another"}, "8 octets"},
}

// goldenRings are those of the golden key and binding.
var goldenRings = secret.NewDeriver(secret.NewKeys([]string{goldenServerKey}), "session", goldenBinding)

// goldenBook is that of the golden binding.
var goldenBook = claims.NewDictionary("client", "https://idp.example.com/eu-west-2_Golden")

// goldenShortRecord has every phrase and a UUID in it, so that the bytes that
// stand for them are part of what TestGoldenRecords keeps.
func goldenShortRecord() Hot {
	record := goldenHotRecord()
	record.Subject = "6d694019-0844-4cd0-aa37-4982098355e3"
	record.User.Bytes = []byte(`{"sub":"6d694019-0844-4cd0-aa37-4982098355e3"` + strings.Join(goldenBook.Phrases, "x"))
	return record
}

// goldenWholeRecord has claims that cannot be shortened.
func goldenWholeRecord() Hot {
	record := goldenHotRecord()
	record.Renewable, record.Subject = false, "1"
	record.User.Bytes, record.UserInfo.Bytes = []byte("{\"sub\":\"1\",\"name\":\"\x01\"}"), []byte(`{"email":"alice@example.com"}`)
	return record
}

func equalHot(a, b Hot) bool {
	return a.Serial == b.Serial && a.Subject == b.Subject && a.Moments == b.Moments && a.Renewable == b.Renewable &&
		bytes.Equal(a.User.Expand(), b.User.Expand()) && bytes.Equal(a.Payload.Expand(), b.Payload.Expand()) && bytes.Equal(a.UserInfo.Expand(), b.UserInfo.Expand())
}

// TestRecordsSurvive: what is encoded is what is decoded, to the millisecond.
func TestRecordsSurvive(t *testing.T) {
	large := goldenHotRecord()
	large.Serial, large.Renewable, large.User.Bytes = 1<<63, false, bytes.Repeat([]byte("x"), 1<<20)
	for _, record := range []Hot{goldenHotRecord(), large, {}} {
		if got, err := decodeHot(record.encode(goldenBook), goldenBook); err != nil || !equalHot(got, record) {
			t.Errorf("decodeHot() = serial %d, %v", got.Serial, err)
		}
	}
	for _, record := range []Cold{{}, goldenColdRecord, {UnverifiedAccess: "a", UnverifiedID: "b"}, {Refresh: NewCandidates("r")}, {Refresh: some("a", "b", "c", "d")}} {
		if got, err := decodeCold(record.encode()); err != nil || got != record {
			t.Errorf("decodeCold() does not give back what was encoded: %v", err)
		}
	}
}

// TestMoments: a moment has come at its very millisecond, and a session is calm
// until the first of all its moments.
func TestMoments(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	if m := MomentOf(at); m.Passed(at.Add(-time.Nanosecond)) || !m.Passed(at) || !m.Time().Equal(at) {
		t.Errorf("%s becomes %s, which has passed a nanosecond before: %t, and just then: %t",
			at, m.Time(), m.Passed(at.Add(-time.Nanosecond)), m.Passed(at))
	}
	var all Moments
	for i := range all.inOrder() {
		all = Moments{9, 9, 9, 9, 9, 9, 9}
		if *all.inOrder()[i] = 5; all.first() != 5 && i > 1 { // the first two are past
			t.Errorf("of %+v the first is %d", all, all.first())
		}
	}
}

// TestClaimsOfBothKinds: a renewal may bring claims that cannot be shortened
// beside such as came shortened from the storage. None of them is lost.
func TestClaimsOfBothKinds(t *testing.T) {
	stored, short := goldenHotRecord(), goldenShortRecord()
	short.UserInfo = stored.User
	for _, change := range []func(*Hot, claims.Text){
		func(h *Hot, c claims.Text) { h.User = c },
		func(h *Hot, c claims.Text) { h.Payload = c },
		func(h *Hot, c claims.Text) { h.UserInfo = c },
	} {
		record, err := decodeHot(short.encode(goldenBook), goldenBook)
		if err != nil || record.User.Dictionary == nil {
			t.Fatalf("the record is not shortened; the test proves nothing: %v", err)
		}
		change(&record, goldenWholeRecord().User)
		got, err := decodeHot(record.encode(goldenBook), goldenBook)
		if err != nil || !equalHot(got, record) {
			t.Errorf("the claims are %s, want %s: %v", shown(got), shown(record), err)
		}
	}
}

func shown(h Hot) string {
	return fmt.Sprintf("%q, %q and %q", h.User.Expand(), h.Payload.Expand(), h.UserInfo.Expand())
}

// TestShortRecords: a record that ends early is an error wherever it ends, and so is
// one that promises more than it holds.
func TestShortRecords(t *testing.T) {
	hot, cold := goldenHotRecord(), goldenColdRecord
	for name, full := range map[string][]byte{"hot": hot.encode(goldenBook), "cold": cold.encode()} {
		decode := func(b []byte) error {
			if name == "hot" {
				_, err := decodeHot(b, goldenBook)
				return err
			}
			_, err := decodeCold(b)
			return err
		}
		if err := decode(full); err != nil {
			t.Errorf("%s: the whole record: %v", name, err)
		}
		for n := range full {
			if err := decode(full[:n]); !errors.Is(err, errShortRecord) {
				t.Errorf("%s: the first %d bytes: %v, want errShortRecord", name, n, err)
			}
		}
		for _, huge := range [][]byte{
			bytes.Repeat([]byte{0xff}, 64), append(bytes.Repeat([]byte{0xff}, 9), 1), {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1, 1, 1, 1, 1, 1},
		} {
			if err := decode(huge); !errors.Is(err, errShortRecord) {
				t.Errorf("%s: numbers without end: %v, want errShortRecord", name, err)
			}
		}
	}
}

// printedForms is a value in every form that it could get into a log.

// TestHandlesOfWellFormedIDsOnly: an id has one spelling, and nothing else names a
// record.
func TestHandlesOfWellFormedIDsOnly(t *testing.T) {
	good := goldenID
	for _, bad := range []string{
		"", "A", good[:42], good + "A", good[:42] + "=", good[:42] + "9", good[:42] + "*", good[:42] + "+", good[:42] + "\n", "\x00" + good[1:], good[:42] + "é",
	} {
		if handle, ok := NewHandle([]byte(bad), secret.NewDeriver(secret.NewKeys(nil), "session", "pool")); ok {
			t.Errorf("%q names the records %s", bad, handle.Hot())
		}
	}
	handle, ok := NewHandle([]byte(good), secret.NewDeriver(secret.NewKeys(nil), "session", "pool"))
	if !ok {
		t.Fatalf("%q is refused", good)
	}
	names := []string{handle.Hot(), handle.cold(), handle.tomb(), handle.Lease()}
	slices.Sort(names)
	if len(slices.Compact(names)) != 4 {
		t.Errorf("records share a key: %q", names)
	}
}

// TestGoldenRecords: records that this release wrote, as bytes. Every later release
// that writes this version must read them; one that cannot must count its version up.
func TestGoldenRecords(t *testing.T) {
	handle, ok := NewHandle([]byte(goldenID), goldenRings)
	if !ok {
		t.Fatal("the golden id is refused")
	}
	if handle.Hot() != goldenHotKey || handle.cold() != goldenColdKey {
		t.Errorf("the records are called %s and %s, want %s and %s", handle.Hot(), handle.cold(), goldenHotKey, goldenColdKey)
	}
	for sealed, want := range map[string]Hot{goldenWholeSealed: goldenWholeRecord(), goldenShortSealed: goldenShortRecord()} {
		if got, err := decodeHot(openGolden(t, handle, handle.Hot(), sealed), goldenBook); err != nil || !equalHot(got, want) {
			t.Errorf("the hot record holds %s, want %s: %v", shown(got), shown(want), err)
		}
	}
	if got, err := decodeCold(openGolden(t, handle, handle.cold(), goldenColdSealed)); err != nil || got != goldenColdRecord {
		t.Errorf("the cold record does not hold what was put in: %v", err)
	}
}

func openGolden(t *testing.T, handle *Handle, key, sealed string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := handle.Key.Open(key, raw)
	if err != nil {
		t.Fatalf("open() = %v", err)
	}
	return plain
}

// TestRecordThatCannotBeShortened: its claims are told apart, and come back.
func TestRecordThatCannotBeShortened(t *testing.T) {
	record := goldenWholeRecord()
	if got, err := decodeHot(record.encode(goldenBook), goldenBook); err != nil || !equalHot(got, record) {
		t.Errorf("a record that cannot be shortened holds %s, %v", shown(got), err)
	}
}

// TestRenewAfter: a quarter of a token's life is left when it is renewed, give
// or take a twentieth, so that sessions that began together do not return
// together. Tokens that hardly live are asked for once a second at most.
func TestRenewAfter(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for _, life := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} {
		seen := map[time.Duration]bool{}
		for range 200 {
			after := RenewAfter(now, now.Add(life)).Sub(now)
			if share := float64(after) / float64(life); share < 0.7 || share > 0.8 {
				t.Fatalf("a token of %s is renewed after %s, want three quarters", life, after)
			}
			seen[after] = true
		}
		if len(seen) < 100 {
			t.Errorf("200 tokens of %s are renewed at %d moments; want them spread", life, len(seen))
		}
	}
	for _, life := range []time.Duration{time.Second, 0, -time.Second, -time.Hour} {
		if after := RenewAfter(now, now.Add(life)).Sub(now); after != time.Second {
			t.Errorf("a token of %s is renewed after %s, want a second", life, after)
		}
	}
}

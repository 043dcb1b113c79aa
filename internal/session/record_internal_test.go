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
	goldenID      = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	goldenBinding = "https://idp.example.com/eu-west-2_Golden\x00eu-west-2_Golden\x00client"
	goldenHotKey  = "cognito_hot_Xuo9CMY59Mr1_qhn6JUiV2jTlqRTOYtv3X4O9h4jycU"
	goldenColdKey = "cognito_cold_Xuo9CMY59Mr1_qhn6JUiV2jTlqRTOYtv3X4O9h4jycU"

	goldenWholeSealed = "039793e0620401768dd26f6955cc933a189da1d2fdd4da46a2e2a32452a7e7d825ce147923b75d05ab5814cbfa454caa7ecc5865362f38547476c5a01837278adcde71f32f84c94fd41ed60f497bd4808a8fb1d664625859033ea33e37896a19c1d588811a146b47005a12a5cc4aff7223bad4ce576df033f5b46e9c6cf14bf9dfa4c504c11fa727a62fc7d0a3"
	goldenShortSealed = "0362696c20bab1fc61cb46f46e8c7b45fbcbd9ece3b77f7e1a72924fb0a63452bb5568df3182457fcc7a38eb523f897d192a19d1af38d9d4ac7e87b39bbfa42dfc41c9fa345a3919f8945f7dbb8c0d510d8ff09fca64bb90a5458bfd9f03dc5def0d011db90ff365e766b72cd43bd05941d6786b1f5f26ff47d52bb900b01ae44cdd85f374efde5a5d880bfd02de3136e8a3cc74c7897975299da0e603ccfcc1230ed3114217dbe99264c39a38f40da13a21bf58c580a798ce06f0a29f7ab0ede0"
	goldenColdSealed  = "03f3955acd6362ecbde1e4a7859a77c5197c95020a0fc66e18b19645db185217c223bf9121dd0b374a0846a4b4fe3d604cafa97305458a8e951b1551648a5ae8baf5927507805a6ee6b3ee331176e366ee275de7419b818bb058c5ff2c32f1e447bab6f5cda1062ca2b4a1d3dbaa4b43cc87b8a12972c6756557c1d8d5a1bdc248d529ced0d6b9857704934804266ba2e6b65663dc1ff0cf3269ec3c5e19161d25c030c366268f6d9d65a2fea7d7c8760bb1f890a8c9151062bdaa539ec6cf8d17de7967e5b72311e8c675fd0c284f23a6676c89089a311b5716087f99f1cb083ef935c7b2024bbcb5a505d3bfb70b15b5be769a528a760da55ece118141938f4b44993854c0b1d694a9f1c5dd622d90d8be1335193594b0d206f06c5361f817ca72055d1dd81027552d22b266b1fee79961126e3cddd8e15df925dd62667845a18cb26ade7ca8d8a3f6cd025541fe24e4ac7350cf4bc99b590dc05e54808901f9c0d2554e66a970513a3759881a699aa3bbf070"
)

func goldenHotRecord() Hot {
	return Hot{
		Serial: 300, Moments: Moments{
			IdleUntil: 1_800_000_000_001, until: 1_800_600_000_002,
			TouchAfter: 1_799_999_000_003, RenewAfter: -4, Expires: 1_800_000_000_005,
		},
		Renewable: true, User: claims.Text{Bytes: []byte(`{"sub":"1","email":"alice@example.com"}`)}, Payload: claims.Text{Bytes: []byte(`{"sub":"1","scope":"openid"}`)},
	}
}

var goldenColdRecord = Cold{
	Access: "access", Nonce: "nonce", UnverifiedID: "id",
	Refresh: Candidates{[mostCandidates]secret.Text{secret.Text(strings.Repeat("r", 300)), "other", "another"}, "8 octets"},
}

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
		if got, err := decodeHot(record.Encode(goldenBook), goldenBook); err != nil || !equalHot(got, record) {
			t.Errorf("decodeHot() = serial %d, %v", got.Serial, err)
		}
	}
	for _, record := range []Cold{{}, goldenColdRecord, {UnverifiedAccess: "a", UnverifiedID: "b"}, {Refresh: NewCandidates("r")}, {Refresh: some("a", "b", "c", "d")}} {
		if got, err := decodeCold(record.Encode()); err != nil || got != record {
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
		all = Moments{9, 9, 9, 9, 9}
		if *all.inOrder()[i] = 5; all.first() != 5 {
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
		record, err := decodeHot(short.Encode(goldenBook), goldenBook)
		if err != nil || record.User.Book == nil {
			t.Fatalf("the record is not shortened; the test proves nothing: %v", err)
		}
		change(&record, goldenWholeRecord().User)
		got, err := decodeHot(record.Encode(goldenBook), goldenBook)
		if err != nil || !equalHot(got, record) {
			t.Errorf("the claims are %s, want %s: %v", shown(got), shown(record), err)
		}
	}
}

func shown(h Hot) string {
	return fmt.Sprintf("%q, %q and %q", h.User.Expand(), h.Payload.Expand(), h.UserInfo.Expand())
}

// TestShortRecords is row K3: a record that ends early is an error wherever it
// ends, and so is one that promises more than it holds.
func TestShortRecords(t *testing.T) {
	hot, cold := goldenHotRecord(), goldenColdRecord
	for name, full := range map[string][]byte{"hot": hot.Encode(goldenBook), "cold": cold.Encode()} {
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

// TestHandlesOfWellFormedIDsOnly is row D2: an id has one spelling, and nothing
// else names a record.
func TestHandlesOfWellFormedIDsOnly(t *testing.T) {
	good := goldenID
	for _, bad := range []string{
		"", "A", good[:42], good + "A", good[:42] + "=", good[:42] + "9", good[:42] + "*", good[:42] + "+", good[:42] + "\n", "\x00" + good[1:], good[:42] + "é",
	} {
		if handle, ok := NewHandle([]byte(bad), "pool"); ok {
			t.Errorf("%q names the records %s", bad, handle.Hot())
		}
	}
	handle, ok := NewHandle([]byte(good), "pool")
	if !ok {
		t.Fatalf("%q is refused", good)
	}
	names := []string{handle.Hot(), handle.cold(), handle.tomb(), handle.Lease()}
	slices.Sort(names)
	if len(slices.Compact(names)) != 4 {
		t.Errorf("records share a key: %q", names)
	}
}

// TestGoldenRecords is row D7: records that this release wrote, as bytes. Every
// later release that writes this version must read them; one that cannot must
// count its version up.
func TestGoldenRecords(t *testing.T) {
	handle, ok := NewHandle([]byte(goldenID), secret.BindingOf("session", goldenBinding))
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
	if got, err := decodeHot(record.Encode(goldenBook), goldenBook); err != nil || !equalHot(got, record) {
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

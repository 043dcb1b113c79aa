package cognito

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// What TestGoldenRecords reads. The session is that of the cookie whose bytes
// are 0 to 31.
const (
	goldenID      = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	goldenBinding = "https://idp.example.com/eu-west-2_Golden\x00eu-west-2_Golden\x00client"
	goldenHotKey  = "cognito_hot_Xuo9CMY59Mr1_qhn6JUiV2jTlqRTOYtv3X4O9h4jycU"
	goldenColdKey = "cognito_cold_Xuo9CMY59Mr1_qhn6JUiV2jTlqRTOYtv3X4O9h4jycU"

	goldenWholeSealed = "029f51afbd01a16d5230710251812ea5b4be8cda713714629109b2d4112e96b35d96c2df15d3a73bf6c024632ad8afc73b169d2856e8bd0132920c8b6517d493f49efd5b21800ff577187089289280c01d1f572ae326de05ecb0cd7c011c8c8b39754474b531269530090b0ca167684c39a00e186b7f5dc7a72c3e0fb6d4715424f79cb55046476c0305272cee"
	goldenShortSealed = "0242a7d7b8cb6c6d3ca700785a35b25e011586fada0231969057a3c30234f2eadbe9fd2c6ca2c5c11f4b726b84a5602a7012917742ff4476bcd922273ba126a8f946928d45497d46f7e7acf70340df53591dc854e386d20acf29c5e602a780dc3ddf0bfe62f0dbef76fe0f8146a79f57620eda09153fc34fcb589c29c3089231d6f50131c1d20961fcfdfbf0ebc34f6e9b5ab5188d1e845b077d160fde50440082fd6a3437f2d4bb9d01aa8a94d9b51aa03cd679c99c1479f24de967780fdac860"
	goldenColdSealed  = "02acbf938a16a7f4c7b2d1696567a5ad4ed4e454feda523e3f67f2a1bf2910a4f5fe3be54010ce8ffe4696ab256b0d0271398313d9bce8cfcba6543fd293e1b0bf91c98e545286e530a4757dde981eb106a6f05ba5fb4b75e7b6e12858348a8299f5353fac4fe5b7de7af3ec71f1e38ae550e1bfb90fdc30073b5e9f123c2a3777e84a9783e2b89dc1631e96b7b3b8c3427174b9c03d11cdea76f437e978d6b1859e5bcd2c807c3a848627fd64676782e69f5deb568004f1b63c27b7a3b6deb33a1573c37171656f690664c72f87dd87716bc8dfaf4a9465dc555d1807c92c119cfc2b29ec97091d5443e97ec1f2ece1ebb7be55a5421de7de48213023bb36c7ad08be32230d5628e7587da272b347b836721cb88c971a2f0ccb41853cde89d45dc84363236585ab4733cd1754e27e16223305f0168cee12f10feacc863a5ef6d8bc276e118c92911a896afd6ca4de016dbcec954539e0d00e33c8ad56178dfd46d5e3afb4ac48090852341f"
)

func goldenHotRecord() hotRecord {
	return hotRecord{
		serial: 300, moments: moments{
			idleUntil: 1_800_000_000_001, until: 1_800_600_000_002,
			touchAfter: 1_799_999_000_003, renewAfter: -4, expires: 1_800_000_000_005,
		},
		renewable: true, user: claimText{text: []byte(`{"sub":"1","email":"alice@example.com"}`)}, payload: claimText{text: []byte(`{"sub":"1","scope":"openid"}`)},
	}
}

var goldenColdRecord = coldRecord{access: "access", refresh: secret(strings.Repeat("r", 300)), nonce: "nonce", unverifiedID: "id", ancestors: "ancestors", spare: "spare"}

// goldenBook is that of the golden binding.
var goldenBook = newPhrasebook(Config{Issuer: "https://idp.example.com/eu-west-2_Golden", ClientID: "client"})

// goldenShortRecord has every phrase and a UUID in it, so that the bytes that
// stand for them are part of what TestGoldenRecords keeps.
func goldenShortRecord() hotRecord {
	record := goldenHotRecord()
	record.subject = "6d694019-0844-4cd0-aa37-4982098355e3"
	record.user.text = []byte(`{"sub":"6d694019-0844-4cd0-aa37-4982098355e3"` + strings.Join(goldenBook.phrases, "x"))
	return record
}

// goldenWholeRecord has claims that cannot be shortened.
func goldenWholeRecord() hotRecord {
	record := goldenHotRecord()
	record.renewable, record.subject = false, "1"
	record.user.text, record.userInfo.text = []byte("{\"sub\":\"1\",\"name\":\"\x01\"}"), []byte(`{"email":"alice@example.com"}`)
	return record
}

func equalHot(a, b hotRecord) bool {
	return a.serial == b.serial && a.subject == b.subject && a.moments == b.moments && a.renewable == b.renewable &&
		bytes.Equal(a.user.whole(), b.user.whole()) && bytes.Equal(a.payload.whole(), b.payload.whole()) && bytes.Equal(a.userInfo.whole(), b.userInfo.whole())
}

func aesGCM(t *testing.T, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

// TestRecordsSurvive: what is encoded is what is decoded, to the millisecond.
func TestRecordsSurvive(t *testing.T) {
	large := goldenHotRecord()
	large.serial, large.renewable, large.user.text = 1<<63, false, bytes.Repeat([]byte("x"), 1<<20)
	for _, record := range []hotRecord{goldenHotRecord(), large, {}} {
		if got, err := decodeHot(record.encode(goldenBook), goldenBook); err != nil || !equalHot(got, record) {
			t.Errorf("decodeHot() = serial %d, %v", got.serial, err)
		}
	}
	for _, record := range []coldRecord{{}, goldenColdRecord, {unverifiedAccess: "a", unverifiedID: "b"}, {refresh: "r", ancestors: "p"}, {refresh: "r", ancestors: "p", spare: "s"}, {spare: "s"}} {
		if got, err := decodeCold(record.encode()); err != nil || got != record {
			t.Errorf("decodeCold() does not give back what was encoded: %v", err)
		}
	}
}

// TestMoments: a moment has come at its very millisecond, and a session is calm
// until the first of all its moments.
func TestMoments(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	if m := momentOf(at); m.passed(at.Add(-time.Nanosecond)) || !m.passed(at) || !m.time().Equal(at) {
		t.Errorf("%s becomes %s, which has passed a nanosecond before: %t, and just then: %t",
			at, m.time(), m.passed(at.Add(-time.Nanosecond)), m.passed(at))
	}
	var all moments
	for i := range all.inOrder() {
		all = moments{9, 9, 9, 9, 9}
		if *all.inOrder()[i] = 5; all.first() != 5 {
			t.Errorf("of %+v the first is %d", all, all.first())
		}
	}
}

// TestClaimsOfBothKinds: a renewal may bring claims that cannot be shortened
// beside such as came shortened from the storage. None of them is lost.
func TestClaimsOfBothKinds(t *testing.T) {
	stored, short := goldenHotRecord(), goldenShortRecord()
	short.userInfo = stored.user
	for _, change := range []func(*hotRecord, claimText){
		func(h *hotRecord, c claimText) { h.user = c },
		func(h *hotRecord, c claimText) { h.payload = c },
		func(h *hotRecord, c claimText) { h.userInfo = c },
	} {
		record, err := decodeHot(short.encode(goldenBook), goldenBook)
		if err != nil || record.user.book == nil {
			t.Fatalf("the record is not shortened; the test proves nothing: %v", err)
		}
		change(&record, goldenWholeRecord().user)
		got, err := decodeHot(record.encode(goldenBook), goldenBook)
		if err != nil || !equalHot(got, record) {
			t.Errorf("the claims are %s, want %s: %v", shown(got), shown(record), err)
		}
	}
}

func shown(h hotRecord) string {
	return fmt.Sprintf("%q, %q and %q", h.user.whole(), h.payload.whole(), h.userInfo.whole())
}

// TestShortRecords is row K3: a record that ends early is an error wherever it
// ends, and so is one that promises more than it holds.
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
func printedForms(value any) string {
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&b, verb+"\n", value)
		fmt.Fprintf(&b, verb+"\n", []any{value})
	}
	text, _ := json.Marshal(value) // what cannot be marshalled tells nothing
	b.Write(text)
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(handler).Info("value", "value", value)
	}
	return b.String()
}

// TestInternalsPrintWithoutSecrets is row M2 for what never leaves the package
// but may be printed by whoever looks for a mistake in it: fmt does not ask
// unexported fields how they want to be printed, so a secret inside a struct
// needs the struct's help.
func TestInternalsPrintWithoutSecrets(t *testing.T) {
	const canary = "canary-of-a-secret"
	handle, _ := newHandle([]byte(goldenID), sealedFor("session", goldenBinding))
	var key sealingKey
	copy(key[:], canary)
	auth := &Auth{config: Config{ClientSecret: canary}}
	for _, value := range []any{
		secret(canary), []secret{canary}, map[string]secret{"a": canary}, struct{ S secret }{canary},
		grant{canary, canary, canary}, &grant{canary, canary, canary},
		coldRecord{canary, canary, canary, canary, canary, canary, canary}, &coldRecord{access: canary},
		unsaved{used: canary, cold: coldRecord{refresh: canary}}, &unsaved{used: canary},
		cognitoAnswer{state: canary, code: canary}, outcome{session: canary},
		ticket{secret: canary}, &ticket{secret: canary},
		tokenEndpoint{clientSecret: canary}, &tokenEndpoint{clientSecret: canary},
		auth.config, auth, token{raw: canary}, &token{raw: canary},
		keyring{sealingKey: key}, &keyring{sealingKey: key}, key, &key, *handle, handle, &openSession{sessionHandle: *handle}, identity{session: &openSession{sessionHandle: *handle}},
	} {
		forms := printedForms(value)
		for _, spelling := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), strings.Trim(fmt.Sprint([]byte(canary)), "[]"), goldenID, fmt.Sprintf("%x", goldenID)} {
			if strings.Contains(forms, spelling) {
				t.Errorf("%T prints its secret", value)
				break
			}
		}
	}
	// An attempt is stored as JSON, before it is sealed; printing is another matter.
	if forms := fmt.Sprintf("%v %+v %#v %q %x", attempt{Verifier: canary}, attempt{Nonce: canary}, attempt{Verifier: canary}, attempt{Nonce: canary}, attempt{}); strings.Contains(forms, canary) {
		t.Error("an attempt prints its secrets")
	}
	if forms := printedForms(secret(canary)); !strings.Contains(forms, "[redacted]") {
		t.Errorf("a secret prints as %s", forms)
	}
	if forms := printedForms(secret("")); strings.Contains(forms, "[redacted]") {
		t.Errorf("no secret prints as %s", forms)
	}
}

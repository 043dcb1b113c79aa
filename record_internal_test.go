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
	goldenHotKey  = "cognito_hot_S5nO5-fozh7wYbmJhWfIL-nlLNTuF1lQ4RlKpasMbFI"
	goldenColdKey = "cognito_cold_S5nO5-fozh7wYbmJhWfIL-nlLNTuF1lQ4RlKpasMbFI"

	goldenWholeSealed = "028198db1b83fd3cda3597b977e4f84b8a66609e5a92b713b4368b6a735a62836688d54c79b35d5e33c666ef1625262b65001524216e874f6fe7612f04fc85293daf327d44af997cb14b8b4334a33df782c9d46f2db40511598a5bbb2c6a9a612b821bac57d44871c0a2627c19239c6d76daba77ca7d6c0ca02df87af457f476d239cf65c7670fc5d10704cfdd"
	goldenShortSealed = "02e531856ddee9a7462471829cb3c235e0880c8a3ec2f4eb08bf0d70590b88c56809c0f4c3cde756808dba50d491bc98f34cdd73d848afd7a3add6e59878cdad61b40e373a1d3ed24a80a19cc7cee714029e28f921c65099236fca11ef99036c9b49492246a1c834fe96da84a632a8eb2e07a852d5c6279a5fdc6f5267e4387e76617b5acfe3ffe0f737ea01ec71842965910f31e17b88ed33ac2877821a9a775b582fa3169a4415c926090d8c3236206e72c8f355fdce36c4a03d306d17c55c42"
	goldenColdSealed  = "0276325a259bd8c97222e39b3ce023607d7c1bb20ec30ed7e50f3276001ddc56a87c89fca1a1dd58c9964351705f31e7ed66414dd7e541ea876c87b617e8b1d7f71dd8212134ee99ceed823def96096a258ab3f4b3144229c89c7f3c9ee784fd780602fa7f7b9f6f71b45bd9451fc061c848eb254b5a960cff73d52eeb44ca1d895365db56c6de452f5481bf90612d9461e9a9c9f8579e865216eea49fdbc7e1dc275e60995a54de77bbea16ec11ac02762c24915b91e8cd29487d23456b77b66cd741ed1d6a2b8054d805c89f8e4ab85fd04dae3f80f117a7c23b4cdd28c2e108cfeb425ce40991ea8f62564a00d35bfca28be368bdfe9c5e8207a9aadaa1cabcd0434fb2eee0bb5d85adfa9615450b1359666200422302f4fa0068e0e8062eab425027199367f0a267c9e08c5e914da8ef916838a40d898029991672984a78884783cbeb9202843648a8283cd138ac6f4a4279104a74613591b7dbb33d44578991f001dee729b9c5f7b419"
)

func goldenHotRecord() hotRecord {
	return hotRecord{
		serial: 300, idleUntil: time.UnixMilli(1_800_000_000_001), until: time.UnixMilli(1_800_600_000_002),
		touchAfter: time.UnixMilli(1_799_999_000_003), renewAfter: time.UnixMilli(-4), expires: time.UnixMilli(1_800_000_000_005),
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
	return a.serial == b.serial && a.subject == b.subject && a.idleUntil.Equal(b.idleUntil) && a.until.Equal(b.until) && a.touchAfter.Equal(b.touchAfter) &&
		a.renewAfter.Equal(b.renewAfter) && a.expires.Equal(b.expires) && a.renewable == b.renewable &&
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
	for _, record := range []hotRecord{goldenHotRecord(), large, {idleUntil: time.UnixMilli(0), until: time.UnixMilli(0), touchAfter: time.UnixMilli(0), renewAfter: time.UnixMilli(0), expires: time.UnixMilli(0)}} {
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
		keyring{key: canary}, &keyring{key: canary}, *handle, handle, &openSession{sessionHandle: handle}, visit{session: &openSession{sessionHandle: handle}},
	} {
		forms := printedForms(value)
		for _, spelling := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), goldenID, fmt.Sprintf("%x", goldenID)} {
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

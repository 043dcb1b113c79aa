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
	goldenHotKey  = "cognito_hot_fYSTqf07YfuTutj8dHTrnnx4Sv-PBPjUuFRuYDtu5XM"
	goldenColdKey = "cognito_cold_fYSTqf07YfuTutj8dHTrnnx4Sv-PBPjUuFRuYDtu5XM"

	goldenHotSealed   = "013f959ceb07e4712b3128c6f3d7f4e0492bf36bf6640a10d758588c5f5cdd363cd30fef864fc71fa6e05879036afec12c64f0363809abe6e88a93a599743ab850722e21f1ccde12dc4ab57d268f1454f3a540378a5bc1439c3323fef276528ea7c89b907f9ce08d74a36dbc61a13fb8596ce158bfdc2d36d55d1cdf91b704"
	goldenShortSealed = "0111e94aab1e0349e7220f44afa36f335ee5e73e0335f484dde184518de27e8615dc59843d54f45b905248c3e34f55881cee287a574315299e9fd655f44f0f0632e0977b13be10756490b8eb5f53c1bd159f3a86a49ae416da92cf13bdbbe5f84f7bc2a822ce4fdbc8edf053053daef7794f5cd7b0e1a827c62e73a46f7a7bbff65fac16d342c0b30899ce49f8d82118248ee9dc12f5c49d56ff38da1295fadf8713e2a24f53fa45ccee57146a25d7c65657a1238519d79b0f62968bba2ac21b82"
	goldenColdSealed  = "013164642f376eae6a63a90d91a12a030d5f9ac1e508fdf96abb744483e4f35d141160b47b63ffb95300f8eafbc571b7928c747be563952ca6ccaf4947fb0631db70437885322c06f46ef9258bab1625d39e1f1f27991af35e66cca5c1d0e3c612efd0cc1c158701d8473129010c59793b4b85a083bbb6ab045f92b710d4a95cf027606f58ece1a640272c50f1e78d4c6501cf23dcf63641cdbb9309bf47b55cd1991303c529e26187a27d80728e9f2d1bf0fd8dd4dbfe7e44741c83de91f119c5e4a07ee6b28989702a642f81854ef78517c6f073ce87e9ed891cae188e7cb8a4d9bd688092d5998512c7ae4a6b7584991c5afe5617bb760a96df796742768a9a4de6b3c4371b052fb017b8bc92620918b8fbe6f90113c9e9b4298efcc442561b78ed582133820222bb10239b663fab17439d920ff185f413acd5a946d63cb8d66907f781110e43732389c410ed14fb0764f193afec0284acc0a742"
)

func goldenHotRecord() hotRecord {
	return hotRecord{
		serial: 300, idleUntil: time.UnixMilli(1_800_000_000_001), until: time.UnixMilli(1_800_600_000_002),
		touchAfter: time.UnixMilli(1_799_999_000_003), renewAfter: time.UnixMilli(-4), expires: time.UnixMilli(1_800_000_000_005),
		renewable: true, user: claimText{text: []byte(`{"sub":"1","email":"alice@example.com"}`)}, payload: claimText{text: []byte(`{"sub":"1","scope":"openid"}`)},
	}
}

var goldenColdRecord = coldRecord{access: "access", refresh: secret(strings.Repeat("r", 300)), nonce: "nonce", unverifiedAccess: "", unverifiedID: "id"}

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

func equalHot(a, b hotRecord) bool {
	return a.serial == b.serial && a.idleUntil.Equal(b.idleUntil) && a.until.Equal(b.until) && a.touchAfter.Equal(b.touchAfter) &&
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
			if name == "hot" && n == len(full)-len(appendPart(nil, []byte(hot.subject))) {
				continue // where the first records of this version end
			}
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
	handle, _ := newHandle(goldenID, goldenBinding)
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
		*handle, handle, &openSession{sessionHandle: handle}, visit{session: &openSession{sessionHandle: handle}},
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

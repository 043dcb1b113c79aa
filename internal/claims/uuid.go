package claims

import (
	"bytes"
	"encoding/hex"
)

// UUIDLength is what a UUID takes in hexadecimal.
const UUIDLength = 36 // 8-4-4-4-12

// UUIDAt reads the UUID that text begins with, in the lower case of RFC 9562
// section 4, as Cognito writes it.
func UUIDAt(text []byte) ([]byte, bool) {
	if len(text) < UUIDLength || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return nil, false
	}
	// One hyphen too many leaves fewer than 32 digits. Upper case would not come back.
	digits := bytes.ReplaceAll(text[:UUIDLength], []byte("-"), nil)
	id := make([]byte, 16)
	if len(digits) != 32 || !bytes.Equal(digits, bytes.ToLower(digits)) {
		return nil, false
	}
	_, err := hex.Decode(id, digits)
	return id, err == nil
}

// AppendUUID writes what UUIDAt has read.
func AppendUUID(b, id []byte) []byte {
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return b
}

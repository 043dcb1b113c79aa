package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// TestTheSchemaKnowsTheFields: each field of the settings is in the schema, and no other.
func TestTheSchemaKnowsTheFields(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("pool.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	type object struct{ Properties map[string]json.RawMessage }
	var schema object
	below := func(name string) object {
		var list struct{ Items object }
		if err := json.Unmarshal(schema.Properties[name], &list); err != nil {
			t.Fatal(err)
		}
		return list.Items
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	compare := func(typ reflect.Type, described object) {
		var fields []string
		for i := range typ.NumField() {
			fields = append(fields, typ.Field(i).Tag.Get("json"))
		}
		slices.Sort(fields)
		if got := slices.Sorted(maps.Keys(described.Properties)); !slices.Equal(got, fields) {
			t.Errorf("the schema of %s has %q, want %q", typ, got, fields)
		}
	}
	compare(reflect.TypeFor[poolFile](), schema)
	compare(reflect.TypeFor[clientFile](), below("clients"))
	compare(reflect.TypeFor[userFile](), below("users"))
}

func TestTheExampleStarts(t *testing.T) {
	t.Parallel()
	p := begin(t, "-config", "pool.example.json")
	if status, answer := p.token(map[string][]string{"grant_type": {"password"}}); status == 200 || answer["error"] == nil {
		t.Errorf("status %d, %v", status, answer)
	}
}

// filled is a value without a zero in any field.
func filled(typ reflect.Type) reflect.Value {
	value := reflect.New(typ).Elem()
	switch typ.Kind() {
	case reflect.Struct:
		for i := range typ.NumField() {
			value.Field(i).Set(filled(typ.Field(i).Type))
		}
	case reflect.Slice:
		value.Set(reflect.Append(value, filled(typ.Elem())))
	case reflect.Map:
		value.Set(reflect.MakeMap(typ))
		value.SetMapIndex(filled(typ.Key()), filled(typ.Elem()))
	case reflect.String:
		value.SetString("x")
	case reflect.Bool:
		value.SetBool(true)
	default:
		value.SetInt(1)
	}
	return value
}

// TestTheFileSaysWhatThePackageKnows: each setting of package userpool comes from the
// file, or there is a reason why not.
func TestTheFileSaysWhatThePackageKnows(t *testing.T) {
	t.Parallel()
	elsewhere := map[string]string{
		"Options.Addr":    "-addr",
		"Options.AnyAddr": "-open",
		"Options.Front":   "is code: /health and the control API stand there",
	}
	file, ok := filled(reflect.TypeFor[poolFile]()).Interface().(poolFile)
	if !ok {
		t.Fatal("no file")
	}
	options := file.options()
	for _, made := range []any{options, options.Clients[0], options.Users[0]} {
		value := reflect.ValueOf(made)
		for i := range value.NumField() {
			name := value.Type().Name() + "." + value.Type().Field(i).Name
			if why := elsewhere[name]; value.Field(i).IsZero() == (why == "") {
				t.Errorf("%s is %v, though the file says everything that it can; elsewhere: %q", name, value.Field(i), why)
			}
		}
	}
}

// TestSecretsBeingChanged: both secrets of the file are right, and a wrong one gets the
// status that the file says.
func TestSecretsBeingChanged(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pool.json")
	text := `{"invalidClientStatus": 401, "clients": [
		{"id": "machine", "secret": "old", "secondSecret": "new", "grants": ["client_credentials"], "scopes": ["orders/read"]}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := begin(t, "-config", file)
	for secret, want := range map[string]int{"old": http.StatusOK, "new": http.StatusOK, "guess": http.StatusUnauthorized} {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"machine"}, "client_secret": {secret}}
		if status, answer := p.ask("POST", "/oauth2/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded"); status != want {
			t.Errorf("with the secret %q the status is %d, want %d: %s", secret, status, want, answer)
		}
	}
}

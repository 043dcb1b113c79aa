package main

import (
	"encoding/json"
	"maps"
	"os"
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

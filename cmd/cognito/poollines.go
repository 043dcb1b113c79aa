package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
)

// Reading a settings file so that each mistake is named by line and field. Package
// json alone knows no line for a field that it does not know.

// duration is written as "90s", "5m" or "720h".
type duration time.Duration

// UnmarshalText reads what time.ParseDuration does.
func (d *duration) UnmarshalText(text []byte) error {
	read, err := time.ParseDuration(string(text))
	*d = duration(read)
	return err
}

// lines says on which line the value of each field stands, such as "clients[0].id".
type lines map[string]int

// decodeStrictly fills into and returns where everything stood. All mistakes are
// reported at once, as far as the text is JSON at all.
func decodeStrictly(text []byte, into any) (lines, error) {
	w := &walk{text: text, decoder: json.NewDecoder(bytes.NewReader(text)), at: lines{}}
	err := w.value("", reflect.TypeOf(into).Elem())
	if err == nil {
		if _, err = w.decoder.Token(); err == nil {
			err = errors.New("want one object, but more follows")
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		return w.at, fmt.Errorf("line %d: %w", w.line(), err)
	}
	if len(w.problems) > 0 {
		return w.at, errors.Join(w.problems...)
	}
	return w.at, json.Unmarshal(text, into)
}

// walk goes through a text along the type that it is to fill.
type walk struct {
	text     []byte
	decoder  *json.Decoder
	at       lines
	problems []error
}

// line is where the decoder stands.
func (w *walk) line() int {
	return 1 + bytes.Count(w.text[:w.decoder.InputOffset()], []byte("\n"))
}

func (w *walk) complain(path, format string, values ...any) {
	w.problems = append(w.problems, fmt.Errorf("line %d: %s: %s", w.line(), orElse(path, "the whole text"), fmt.Sprintf(format, values...)))
}

// value reads one value that should be of a type; of any when typ is nil, below a
// field that was complained about already. It returns errors of syntax only.
func (w *walk) value(path string, typ reflect.Type) error {
	token, err := w.decoder.Token()
	if err != nil {
		return noEOF(err)
	}
	if typ != nil && typ.Kind() == reflect.Interface {
		typ = nil // whatever it is
	}
	w.at[path] = w.line()
	switch token {
	case json.Delim('{'):
		return w.object(path, typ)
	case json.Delim('['):
		return w.array(path, typ)
	}
	if typ != nil {
		w.leaf(path, token, typ)
	}
	return nil
}

func (w *walk) object(path string, typ reflect.Type) error {
	if typ != nil && typ.Kind() != reflect.Struct && typ.Kind() != reflect.Map {
		w.complain(path, "is an object, want %s", kindOf(typ))
		typ = nil
	}
	seen := map[string]bool{}
	for w.decoder.More() {
		token, err := w.decoder.Token()
		if err != nil {
			return noEOF(err)
		}
		key, _ := token.(string)
		below := strings.TrimPrefix(path+"."+key, ".")
		if seen[key] {
			w.complain(below, "is given twice")
		}
		seen[key] = true
		if err := w.value(below, w.fieldType(below, key, typ)); err != nil {
			return err
		}
	}
	_, err := w.decoder.Token()
	return noEOF(err)
}

// fieldType is the type of a member, or nil after a complaint.
func (w *walk) fieldType(path, key string, typ reflect.Type) reflect.Type {
	if typ == nil {
		return nil
	}
	if typ.Kind() == reflect.Map {
		return typ.Elem()
	}
	var known []string
	for i := range typ.NumField() {
		field := typ.Field(i)
		if field.Tag.Get("json") == key {
			return field.Type
		}
		known = append(known, field.Tag.Get("json"))
	}
	w.complain(path, "unknown field; the fields are %s", strings.Join(known, ", "))
	return nil
}

func (w *walk) array(path string, typ reflect.Type) error {
	var element reflect.Type
	if typ != nil && typ.Kind() == reflect.Slice {
		element = typ.Elem()
	} else if typ != nil {
		w.complain(path, "is a list, want %s", kindOf(typ))
	}
	for i := 0; w.decoder.More(); i++ {
		if err := w.value(fmt.Sprintf("%s[%d]", path, i), element); err != nil {
			return err
		}
	}
	_, err := w.decoder.Token()
	return noEOF(err)
}

// leaf judges a value without parts. null is refused everywhere: it would be a
// default that nobody asked for.
func (w *walk) leaf(path string, token json.Token, typ reflect.Type) {
	text, isText := token.(string)
	number, isNumber := token.(float64)
	_, isBool := token.(bool)
	switch {
	case typ == reflect.TypeFor[duration]():
		if _, err := time.ParseDuration(text); !isText || err != nil {
			w.complain(path, `is %#v, want a duration such as "90s", "5m" or "720h"`, token)
		}
	case typ.Kind() == reflect.String && isText, typ.Kind() == reflect.Bool && isBool:
	case typ.Kind() == reflect.Int && isNumber && number == float64(int(number)):
	default:
		w.complain(path, "is %#v, want %s", token, kindOf(typ))
	}
}

// kindOf names a type for whoever writes JSON.
func kindOf(typ reflect.Type) string {
	if typ == reflect.TypeFor[duration]() {
		return "a duration"
	}
	switch typ.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

// noEOF names an end that comes too early.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

package fault

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// Page is what a visitor is told of an error. The root package documents it.
type Page struct {
	Code      string
	Title     string
	Text      string
	Status    int
	Reference string
	FormLost  bool
	Ways      []Way
}

// Way is a link of a page.
type Way struct{ Code, Label, Link string }

const formLost = " The form you submitted was not processed."

// PageOf is an error's page. An error that no request was refused with knows no way
// but the root of its site.
func PageOf(e *Error) Page {
	p := Page{Code: e.Code(), Title: e.Title(), Text: e.Detail(), Status: e.Status(), Reference: e.details.Reference}
	if e.details.Answer == nil {
		p.Ways = []Way{Home("", "/")}
		return p
	}
	p.Ways = slices.Clone(e.details.Answer.Ways) // whoever draws them may change them
	if p.FormLost = e.details.Answer.FormLost; p.FormLost {
		p.Text += formLost
	}
	return p
}

// Home is the way back to the app.
func Home(appName, link string) Way {
	if appName == "" {
		appName = "the app"
	}
	return Way{"home", "Back to " + appName, link}
}

// Referenced is a copy of an error with a reference, for many errors are shared.
func Referenced(e *Error) *Error {
	named := *e
	if named.details.Reference == "" {
		named.details.Reference = newReference()
	}
	return &named
}

// A reference is no secret. Its letters spell no word and no telephone number, since
// some of them come from an address that anybody may have written.
const (
	referenceLetters = "BCDFGHJKLMNPQRSTVWXZ"
	referenceLength  = len("BCDF-GHJK")
)

func newReference() string {
	var text [referenceLength]byte
	for i := range text {
		text[i] = referenceLetters[rand.IntN(len(referenceLetters))]
	}
	text[referenceLength/2] = '-'
	return string(text[:])
}

// IsReference reports whether a text may be a reference of ours.
func IsReference(text string) bool {
	if len(text) != referenceLength || text[referenceLength/2] != '-' {
		return false
	}
	// Trim leaves nothing only if every letter is one of ours.
	return strings.Trim(text[:referenceLength/2]+text[referenceLength/2+1:], referenceLetters) == ""
}

// What errors of an app's own, or of its framework, are to a visitor.
var (
	ErrNotFound = &Reason{"not_found", http.StatusNotFound,
		"Page not found", "There is nothing at this address. The link may be out of date, or it may have been copied incorrectly."}
	ErrNotDone = &Reason{"bad_request", http.StatusBadRequest,
		"We couldn't do that", "Go back to the app and try again there."}
)

// Foreign is an error that is none of ours, with the status that it asks for. Its
// text may be for the log alone, so none of it is told.
func Foreign(status int, cause error) *Error {
	d := Details{Reason: ErrInternal, Cause: cause, Status: status}
	switch {
	case status == http.StatusNotFound:
		d.Reason = ErrNotFound
	case status < http.StatusInternalServerError && status >= http.StatusBadRequest:
		d.Reason = ErrNotDone
	case status < http.StatusBadRequest || status > 599: // no status that an error can have
		d.Status = http.StatusInternalServerError
	}
	return New(d)
}

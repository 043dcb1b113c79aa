package userpool

import (
	"encoding/base64"
	"net/http"
	"net/url"
)

// Where a visitor ends whose application nobody may lead them back to: the redirect
// URI is none of its client's, or there is no such client.

// What /error says, by the error in its address. Those with spaces are Cognito's words.
const (
	redirectMismatch  = "redirect_mismatch"
	unknownClient     = "unknown_client" // Cognito's own word is not known
	parametersMissing = "Required parameters missing"
	clientIDMissing   = "Required String parameter 'client_id' is not present"
	typeMissing       = "Required String parameter 'response_type' is not present"
)

// errorTexts are for the person who sets the application up. Only these are shown: a
// link to this page must not put other words into the pool's mouth.
var errorTexts = map[string]string{
	redirectMismatch: "The redirect address is not registered for this app client. " +
		"It must match exactly: scheme, port, letter case and trailing slash.",
	unknownClient:     "There is no app client with this ID.",
	parametersMissing: "A login needs both client_id and redirect_uri. A logout needs client_id, and logout_uri or redirect_uri.",
	clientIDMissing:   "A logout needs the client_id of the app client that the visitor signs out of.",
	typeMissing:       "A logout that continues to the login page needs response_type=code.",
}

// toErrorPage sends a visitor to the page, under the address that the classic hosted
// UI uses.
func toErrorPage(w http.ResponseWriter, r *http.Request, code string) {
	q := url.Values{"error": {code}}
	if id := r.URL.Query().Get("client_id"); id != "" {
		q.Set("client_id", id)
	}
	// What was asked for stays out of the address, where a link could set it.
	sent := r.URL.Query().Get("redirect_uri")
	if uri := r.URL.Query().Get("logout_uri"); uri != "" {
		sent = uri
	}
	if code == unknownClient {
		sent = r.URL.Query().Get("client_id")
	}
	if len(sent) <= 1024 {
		setPageCookie(w, sentCookie, base64.RawURLEncoding.EncodeToString([]byte(sent)))
	}
	noStore(w)
	http.Redirect(w, r, "/error?"+q.Encode(), http.StatusFound)
}

// sentCookie tells the page which address it is about.
const sentCookie = "page-data"

func lastSent(r *http.Request) string {
	cookie, err := r.Cookie(sentCookie)
	if err != nil {
		return ""
	}
	sent, _ := base64.RawURLEncoding.DecodeString(cookie.Value) // of half a text, that half
	return string(sent)
}

// serveError is the page.
func (p *Pool) serveError(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("error")
	text, known := errorTexts[code]
	if !known {
		code, text = "", "An error was encountered with the requested page."
	}
	if sent := lastSent(r); known && sent != "" {
		text += " What was sent is " + sent
	}
	p.showMessage(w, r, http.StatusBadRequest, "Something went wrong", text, code)
}

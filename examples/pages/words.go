package main

import "github.com/bar-tech/cognito"

// inGerman translates a page by its codes. What it has no words for stays as it is:
// a later version of the middleware may know more codes.
func inGerman(page cognito.Page) cognito.Page {
	words, known := german[page.Code]
	if !known {
		return page
	}
	page.Title, page.Text = words.title, words.text
	if page.FormLost {
		page.Text += " Ihre Eingaben wurden nicht übernommen."
	}
	for i, way := range page.Ways {
		if label, known := germanWays[way.Code]; known {
			page.Ways[i].Label = label
		}
	}
	return page
}

var germanWays = map[string]string{
	"home":                    "Zurück zu Acme",
	"sign_in":                 "Anmelden",
	"sign_in_as_someone_else": "Als jemand anderes anmelden",
	"sign_out":                "Abmelden",
	"try_again":               "Noch einmal versuchen",
}

type words struct{ title, text string }

var german = map[string]words{
	"not_signed_in":        {"Bitte melden Sie sich an", "Diese Seite sehen nur angemeldete Nutzer."},
	"login_required":       {"Bitte melden Sie sich an", "Um fortzufahren, müssen Sie sich anmelden."},
	"not_a_navigation":     {"Bitte melden Sie sich an", "Die Anmeldung muss als eigene Seite geöffnet werden."},
	"session_ended":        {"Sie wurden abgemeldet", "Ihre Sitzung ist beendet. Bitte melden Sie sich wieder an."},
	"fresh_login_required": {"Bitte melden Sie sich erneut an", "Dafür ist eine frische Anmeldung nötig."},
	"level_required":       {"Stärkere Anmeldung nötig", "Dafür ist eine stärkere Anmeldung nötig, etwa mit einem zweiten Faktor."},
	"level_not_reached":    {"Stärkere Anmeldung nötig", "Der Anmeldedienst hat Ihnen keine stärkere Anmeldung angeboten. Falls Sie angemeldet waren, sind Sie es noch."},
	"forbidden":            {"Kein Zugriff", "Sie sind angemeldet, haben hier aber keinen Zugriff."},
	"not_admitted":         {"Anmeldung nicht möglich", "Sie haben sich angemeldet, sind für Acme aber nicht freigeschaltet."},
	"cross_origin":         {"Anfrage abgelehnt", "Diese Anfrage kam von einer anderen Website. Bitte versuchen Sie es bei Acme noch einmal."},
	"access_denied":        {"Anmeldung abgebrochen", "Die Anmeldung wurde abgebrochen oder nicht erlaubt. Sie können es noch einmal versuchen."},
	"provider_error":       {"Anmeldung fehlgeschlagen", "Der Anmeldedienst konnte Sie nicht anmelden. Bitte versuchen Sie es noch einmal."},
	"bad_callback":         {"Anmeldung fehlgeschlagen", "Die Antwort des Anmeldedienstes war nicht lesbar. Bitte versuchen Sie es noch einmal."},
	"code_refused":         {"Anmeldung fehlgeschlagen", "Die Anmeldung konnte nicht abgeschlossen werden. Bitte versuchen Sie es noch einmal."},
	"invalid_token":        {"Anmeldung fehlgeschlagen", "Ihre Anmeldung konnte nicht bestätigt werden. Bitte versuchen Sie es noch einmal."},
	"state_mismatch":       {"Anmeldung nicht abgeschlossen", "Sie wurde nicht in diesem Browser begonnen oder liegt zu lange zurück. Bitte melden Sie sich noch einmal an."},
	"attempt_expired":      {"Anmeldung abgelaufen", "Sie hat zu lange gedauert oder wurde schon verwendet. Bitte versuchen Sie es noch einmal."},
	"bad_login":            {"Dieser Link funktioniert nicht", "Er ist unvollständig oder fehlerhaft. Sie können sich ohne ihn anmelden."},
	"login_loop":           {"Sie bleiben nicht angemeldet", "Bitte prüfen Sie, ob Ihr Browser Cookies von dieser Seite annimmt, und versuchen Sie es noch einmal."},
	"busy":                 {"Zu viele Anmeldungen", "Gerade melden sich sehr viele an. Bitte versuchen Sie es in einer Minute noch einmal."},
	"unavailable":          {"Vorübergehend nicht erreichbar", "Die Anmeldung ist gerade nicht erreichbar. Sie bleiben angemeldet; bitte versuchen Sie es gleich noch einmal."},
	"misconfigured":        {"Anmeldung nicht richtig eingerichtet", "Den Grund finden die Betreiber dieser Seite im Protokoll des Servers."},
	"internal_error":       {"Etwas ist schiefgegangen", "Das war unser Fehler. Bitte versuchen Sie es noch einmal."},
	"method_not_allowed":   {"Diese Seite lässt sich nicht direkt öffnen", "Bitte versuchen Sie es bei Acme noch einmal."},
	"ambiguous_path":       {"Diese Adresse funktioniert nicht", "Sie ist unvollständig oder fehlerhaft."},
	"invalid_request":      {"Fehlerhafte Anfrage", "Die Anfrage enthält einen unlesbaren Zugangsschlüssel."},
	"not_found":            {"Seite nicht gefunden", "Unter dieser Adresse gibt es nichts. Vielleicht ist der Link veraltet."},
	"bad_request":          {"Das hat nicht geklappt", "Bitte versuchen Sie es bei Acme noch einmal."},
}

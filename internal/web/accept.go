package web

import (
	"strconv"
	"strings"
)

// PrefersHTML reports whether the client of an Accept header (RFC 9110 section
// 12.5.1) would rather have a page than JSON. "*/*" prefers nothing, so scripts
// and command lines get JSON.
func PrefersHTML(accept string) bool {
	page, json := weigh(accept, "text", "html"), weigh(accept, "application", "json")
	switch {
	case page.quality != json.quality:
		return page.quality > json.quality
	case page.quality == 0:
		return false // neither is wanted
	case page.precision != json.precision:
		return page.precision > json.precision
	}
	return page.place < json.place // who names both as good names the better one first
}

// NamesJSON reports whether the client of an Accept header asks for JSON by name.
func NamesJSON(accept string) bool {
	json := weigh(accept, "application", "json")
	return json.precision == 3 && json.quality > 0
}

// weight is what an Accept header says of one media type.
type weight struct {
	quality   float64
	precision int // 3: named; 2: by its type; 1: anything; 0: not at all
	place     int // of the range that says so
}

// weigh finds the most precise range that covers a media type. Parameters other
// than q do not count: our answers have none.
func weigh(accept, kind, subtype string) weight {
	var best weight
	place := 0
	for part := range strings.SplitSeq(accept, ",") {
		place++
		media, parameters, _ := strings.Cut(part, ";")
		first, second, _ := strings.Cut(strings.ToLower(strings.TrimSpace(media)), "/")
		precision := 0
		switch {
		case first == kind && second == subtype:
			precision = 3
		case first == kind && second == "*":
			precision = 2
		case first == "*" && second == "*":
			precision = 1
		}
		if precision > best.precision {
			best = weight{qualityOf(parameters), precision, place}
		}
	}
	return best
}

// qualityOf reads q among parameters (RFC 9110 section 12.4.2); without one it is 1. Nonsense
// counts as not wanted.
func qualityOf(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		quality, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(quality >= 0 && quality <= 1) { // NaN is neither
			return 0
		}
		return quality
	}
	return 1
}

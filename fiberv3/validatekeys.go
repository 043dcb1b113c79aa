// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/web"
)

const (
	// shortestKey is what 192 bits take in base64.
	shortestKey = 32
	makeKey     = "generate one with openssl rand -base64 32, store it like a password, and give all instances the same Keys"
)

// keys checks the app's keys. It never quotes them.
func (k *configCheck) keys(c Config) {
	if c.Storage != nil && len(c.Keys) == 0 {
		k.add("Keys", "", "is required with Storage: without it, anyone who can write to the storage could forge sessions", makeKey)
	}
	if c.CookieSessions && len(c.Keys) == 0 {
		k.add("Keys", "", "is required with CookieSessions: sessions are sealed with it", makeKey)
	}
	for i, key := range c.Keys {
		if rule := judgeKey(key, c.Keys[:i]); rule != "" {
			k.add("Keys", secret.RedactedUnlessEmpty(key), fmt.Sprintf("key %d of %d %s", i+1, len(c.Keys), rule), makeKey)
		}
	}
}

// judgeKey is the rule that a key breaks, or "". A key that is obviously not a secret is
// refused, because anybody who guesses the key of a shared storage can create sessions.
func judgeKey(key string, before []string) string {
	switch {
	case key == "":
		return "must not be empty; is its environment variable set?"
	case utf8.RuneCountInString(key) < shortestKey:
		return fmt.Sprintf("must have at least %d characters", shortestKey)
	case strings.TrimSpace(key) != key || strings.ContainsFunc(key, web.IsControl):
		return "must not begin or end with spaces or contain control characters, such as the line break of the file that it came from"
	case slices.Contains(before, key):
		return "must not be listed twice"
	case isPlaceholder(key):
		return "must not be a placeholder or a pattern: it must be random"
	}
	return ""
}

// isPlaceholder finds keys that somebody typed, copied or meant to replace.
func isPlaceholder(key string) bool {
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, key)
	for _, word := range []string{
		"change", "replace", "placeholder", "example", "opensslrand", "password", "yoursecret", "yourkey", "keyhere", "secrethere", "secretkey", "loremipsum",
	} {
		if strings.Contains(letters, word) {
			return true
		}
	}
	return repeats(key) || fewOrInOrder(key)
}

// repeats reports whether a text is a shorter text, repeated.
func repeats(text string) bool {
	for length := 1; length <= len(text)/2; length++ {
		if text[length:] == text[:len(text)-length] {
			return true
		}
	}
	return false
}

// fewOrInOrder reports whether a text is made of a few characters, or runs through
// the alphabet.
func fewOrInOrder(text string) bool {
	distinct, steps := map[byte]bool{}, 0
	for i := range len(text) {
		distinct[text[i]] = true
		if i > 0 && max(text[i], text[i-1])-min(text[i], text[i-1]) <= 1 {
			steps++
		}
	}
	return len(distinct) < 8 || steps > len(text)/2
}

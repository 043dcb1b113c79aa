package cognito_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/storage/memory/v2"
)

// TestKeysAreJudged: keys that are missing, short, listed twice or obviously no secret
// are refused, with how to make one, and without quoting them.
func TestKeysAreJudged(t *testing.T) {
	t.Parallel()
	judge := func(keys ...string) error {
		config := goodConfig()
		lab.On(lab.NewStore())(&config)
		config.Keys = keys
		return config.Validate()
	}
	for name, keys := range map[string][]string{
		"none": nil, "empty": {""}, "short": {lab.Key[:31]}, "short behind a good one": {lab.Key, lab.OtherKey[:12]},
		"twice": {lab.Key, lab.OtherKey, lab.Key}, "with a line break": {lab.Key + "\n"}, "with a space": {" " + lab.Key}, "with a NUL": {lab.Key + "\x00" + lab.Key},
		"one character": {strings.Repeat("k", 32)}, "one character, long": {strings.Repeat("0", 64)}, "two characters": {strings.Repeat("ab", 20)},
		"a word over and over": {strings.Repeat("secret ", 5) + "secret"}, "few characters": {"aabbccddaabbccdddccbbaaddccaabbddcc"},
		"change me": {"change me change this to something!"}, "changeme": {"CHANGEME-changeme-0123-9zJ4kQxLwTb"}, "change-this": {"please-change-this-key-in-production"},
		"replace": {"<replace with a random key, 32 long>"}, "your": {"your-secret-of-thirty-two-characters"}, "placeholder": {"placeholder_0123456789_placeholder"},
		"the command": {"$(openssl rand -base64 32)xxxxxxxxxx"}, "the alphabet": {"abcdefghijklmnopqrstuvwxyz012345"}, "digits": {"01234567890123456789012345678901"},
		"hex digits": {"0123456789abcdef0123456789abcdef"},
	} {
		err := judge(keys...)
		if fields := fieldsOf(t, err); len(fields) == 0 || fields[0] != "Keys" {
			t.Errorf("%s: Validate names %q", name, fields)
			continue
		}
		if !strings.Contains(err.Error(), "openssl rand -base64 32") || !strings.Contains(err.Error(), "all instances") {
			t.Errorf("%s: the error does not say how to make one: %v", name, err)
		}
		for _, key := range keys {
			if key != "" && strings.Contains(err.Error(), key) {
				t.Errorf("%s: the error quotes the key: %v", name, err)
			}
		}
	}
	for _, keys := range [][]string{{lab.Key}, {lab.Key, lab.OtherKey}, {"9f86d081884c7d659a2feaa0c55ad015"}, {"seven grey herons met quietly upon Blackfriars bridge"}} {
		if err := judge(keys...); err != nil {
			t.Errorf("good keys are refused: %v", err)
		}
	}
	config := goodConfig()
	if err := config.Validate(); err != nil {
		t.Errorf("without a storage: %v", err)
	}
}

// TestKeysPrintNowhere: whoever prints a config or an Auth does not print the app's
// keys.
func TestKeysPrintNowhere(t *testing.T) {
	t.Parallel()
	config := goodConfig()
	lab.On(lab.NewStore())(&config)
	config.Keys = []string{lab.Key, lab.OtherKey, lab.Key, "short-but-secret"}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "config", config, "error", config.Validate())
	forms := fmt.Sprintf("%v %+v %#v %s %q %x %v", config, config, config, config, config, &config, config.Validate()) + string(text) + log.String()
	config.Keys = config.Keys[:2]
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	forms += fmt.Sprintf("%v %+v %#v", auth, auth, auth)
	_ = auth.Close()
	for _, key := range []string{lab.Key, lab.OtherKey, "short-but-secret"} {
		if strings.Contains(forms, key) || strings.Contains(forms, key[:10]) || strings.Contains(forms, fmt.Sprintf("%x", key)) {
			t.Errorf("a key is printed: %s", forms)
		}
	}
	if !strings.Contains(forms, "Keys:[redacted]") {
		t.Errorf("nothing tells that keys are set: %s", forms)
	}
}

// TestConfigHoles: settings that each look right, and cannot work, or are not safe,
// together.
func TestConfigHoles(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]struct {
		spoil func(*cognito.Config)
		field string
	}{
		"BaseURL ends in the callback path": {func(c *cognito.Config) { c.BaseURL = "https://app.example.com/login/redirect" }, "BaseURL"},
		"BaseURL ends in its own callback":  {func(c *cognito.Config) { c.BaseURL, c.RedirectPath = "https://app.example.com/shop/cb", "/cb" }, "BaseURL"},
		"BaseURL ends in the login path":    {func(c *cognito.Config) { c.BaseURL = "https://app.example.com/login" }, "BaseURL"},
		"BaseURL ends in the logout path":   {func(c *cognito.Config) { c.BaseURL = "https://app.example.com/shop/logout" }, "BaseURL"},
		"Issuer of another pool":            {func(c *cognito.Config) { c.Issuer = "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_Another99" }, "Issuer"},
		"Issuer of another pool, new form": {func(c *cognito.Config) {
			c.Issuer = "https://issuer-cognito-idp.eu-west-2.amazonaws.com/eu-west-2_Another99"
		}, "Issuer"},
		"Issuer without its pool":          {func(c *cognito.Config) { c.Issuer = "https://cognito-idp.eu-west-2.amazonaws.com" }, "Issuer"},
		"Issuer of another region":         {func(c *cognito.Config) { c.Issuer = "https://cognito-idp.us-east-1.amazonaws.com/eu-west-2_tMeCEUTj8" }, "Issuer"},
		"Issuer of another pool elsewhere": {func(c *cognito.Config) { c.Issuer = "https://idp.example.com/eu-west-2_Another99" }, "Issuer"},
		"test pool's issuer, public app": {func(c *cognito.Config) {
			c.BaseURL, c.Issuer = "https://app.example.com", "http://127.0.0.1:9229/eu-west-2_tMeCEUTj8"
		}, "BaseURL"},
		"the same over https": {func(c *cognito.Config) {
			c.BaseURL, c.Issuer = "https://app.example.com", "https://localhost:9229/eu-west-2_tMeCEUTj8"
		}, "BaseURL"},
	} {
		config := goodConfig()
		each.spoil(&config)
		if fields := fieldsOf(t, config.Validate()); len(fields) != 1 || fields[0] != each.field {
			t.Errorf("%s: Validate names %q, want %s", name, fields, each.field)
		}
	}
	honest := goodConfig()
	honest.BaseURL, honest.Issuer = "https://app.example.com/shop", "https://issuer-cognito-idp.eu-west-2.amazonaws.com/eu-west-2_tMeCEUTj8"
	if err := honest.Validate(); err != nil {
		t.Error(err)
	}
	honest.BaseURL, honest.Issuer = "http://localhost:8021", "http://127.0.0.1:9229/eu-west-2_tMeCEUTj8"
	if err := honest.Validate(); err != nil {
		t.Error(err)
	}
}

// TestPreforkWithAMemoryStorage: the memory driver, given as Storage, is no more shared
// by the processes than the default is.
func TestPreforkWithAMemoryStorage(t *testing.T) {
	storage := memory.New()
	t.Cleanup(func() { _ = storage.Close() })
	config := goodConfig()
	lab.On(storage)(&config)
	t.Setenv("FIBER_PREFORK_CHILD", "1")
	_, err := cognito.NewAuth(config)
	if fields := fieldsOf(t, err); len(fields) != 1 || fields[0] != "Storage" || !errors.Is(err, cognito.ErrMisconfigured) {
		t.Errorf("in a prefork child NewAuth gives %v", err)
	}
	t.Setenv("FIBER_PREFORK_CHILD", "")
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	_ = auth.Close()
}

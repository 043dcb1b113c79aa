package pool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
)

// ErrInvalidGrant is the only error of the token endpoint that is about the visitor.
// Every other error is ErrUnavailable (nothing is known) or ErrMisconfigured (the
// operator has to act).
var ErrInvalidGrant = errors.New("invalid_grant")

// TokenEndpoint speaks for one app client at the token, revocation and
// UserInfo endpoints.
type TokenEndpoint struct {
	Client       *Client
	At           Endpoints
	ClientID     string
	ClientSecret secret.Text
	Clock        *Clock
}

// Format prints no secret.
func (TokenEndpoint) Format(f fmt.State, _ rune) { secret.Hide(f, "token endpoint") }

// Grant is a token response (RFC 6749 section 5.1). The tokens in it are not
// verified yet.
type Grant struct {
	Access  secret.Text
	ID      secret.Text // "" if Cognito sent none
	Refresh secret.Text // "" if Cognito sent none: the old one stays valid
}

// Format prints no secret.
func (Grant) Format(f fmt.State, _ rune) { secret.Hide(f, "grant") }

// Exchange exchanges an authorization code for tokens. It makes exactly one request,
// whatever the result: a code works only once, and a second try would hide why the first
// one failed.
func (t *TokenEndpoint) Exchange(ctx context.Context, code, verifier secret.Text, redirectURI string) (Grant, error) {
	giveBack, err := t.Client.exchanges.take(ctx)
	if err != nil {
		return Grant{}, fault.Unavailable(err)
	}
	defer giveBack()
	return t.request(ctx, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code.Reveal()},
		"code_verifier": {verifier.Reveal()},
		"redirect_uri":  {redirectURI},
	})
}

// Renew exchanges a refresh token for new tokens (RFC 6749 section 6). The caller must
// have a place among the renewals.
func (t *TokenEndpoint) Renew(ctx context.Context, refresh secret.Text) (Grant, error) {
	return t.request(ctx, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {refresh.Reveal()},
	})
}

// request posts to the token endpoint. Its errors are those at ErrInvalidGrant; of those,
// ErrNoAnswer leaves open whether the code or the refresh token is spent.
func (t *TokenEndpoint) request(ctx context.Context, form url.Values) (Grant, error) {
	status, header, body, err := t.post(ctx, t.At.Token, form)
	if err != nil {
		return Grant{}, fault.Unavailable(fmt.Errorf("token endpoint: %w", err))
	}
	return ReadGrant(status, header.Get("Content-Type"), body)
}

// post sends a form with the client's credentials. Cognito documents plain
// Base64(client_id:client_secret), without the form encoding inside that RFC
// 6749 section 2.3.1 asks for. One fixed style: probing for another would
// spend the code or the refresh token twice.
func (t *TokenEndpoint) post(ctx context.Context, address string, form url.Values) (int, http.Header, []byte, error) {
	// A client with a secret is named in the Authorization header alone.
	if t.ClientSecret == "" {
		form.Set("client_id", t.ClientID)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if t.ClientSecret != "" {
		request.SetBasicAuth(t.ClientID, t.ClientSecret.Reveal())
	}
	// net/http repeats a POST by itself only if not a byte of it was sent.
	status, header, body, err := t.Client.Do(request, LongestAnswer)
	if err == nil {
		t.Clock.heard(header)
	}
	return status, header, body, err
}

// ReadGrant judges an answer of the token endpoint. Only an error that Cognito itself can
// have written counts as its word. All else is an outage, so that a broken proxy signs
// nobody out.
func ReadGrant(status int, contentType string, body []byte) (Grant, error) {
	if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != "application/json" {
		// A firewall or a proxy has answered, not Cognito.
		return Grant{}, fault.Unavailable(fmt.Errorf("token endpoint: HTTP status %d, and the body is not JSON", status))
	}
	var answer struct {
		AccessToken  string `json:"access_token"`
		IDToken      string `json:"id_token"`
		RefreshToken string `json:"refresh_token"`
		TokenType    string `json:"token_type"`
		Error        string `json:"error"`
		Description  string `json:"error_description"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return Grant{}, fault.Unavailable(fmt.Errorf("token endpoint: HTTP status %d, and the JSON cannot be read", status))
	}
	switch {
	// Too many requests are an outage, whatever error is named with them.
	case status >= 400 && status < 500 && status != http.StatusTooManyRequests && answer.Error != "":
		return Grant{}, grantError(fault.NewProviderError(answer.Error, answer.Description))
	case status != http.StatusOK || answer.Error != "":
		return Grant{}, fault.Unavailable(fmt.Errorf("token endpoint: HTTP status %d: %w", status, fault.NewProviderError(answer.Error, answer.Description)))
	case answer.AccessToken == "":
		return Grant{}, fault.Unavailable(errors.New("token endpoint: the response has no access token"))
	case !strings.EqualFold(answer.TokenType, "Bearer"):
		return Grant{}, fault.Unavailable(errors.New("token endpoint: the response's token_type is not Bearer"))
	}
	return Grant{secret.Text(answer.AccessToken), secret.Text(answer.IDToken), secret.Text(answer.RefreshToken)}, nil
}

// grantError classifies Cognito's error codes by who has to act: the visitor, after
// invalid_grant, or the operator. For the operator's mistakes it says what to change.
func grantError(reported *fault.ProviderError) error {
	remedy := "compare this app's settings with the pool's app client"
	switch reported.Code {
	case "invalid_grant":
		return fmt.Errorf("%w: %w", ErrInvalidGrant, reported)
	case "invalid_client":
		remedy = "check ClientID and ClientSecret: a client with a secret must send it, one without must not"
	case "unauthorized_client":
		remedy = "allow the authorization code grant for the app client, and register BaseURL followed by RedirectPath among its callback URLs; it must match exactly"
	}
	return fault.Because(fault.ErrMisconfigured, "token endpoint: %w; %s", reported, remedy)
}

// FetchUserInfo reads the claims that the access token gives access to. It shares the lane
// of code exchanges, since both are steps of a login. The caller compares the subject.
func (t *TokenEndpoint) FetchUserInfo(ctx context.Context, access secret.Text) ([]byte, error) {
	giveBack, err := t.Client.exchanges.take(ctx)
	if err != nil {
		return nil, fault.Unavailable(err)
	}
	defer giveBack()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.At.UserInfo, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+access.Reveal())
	request.Header.Set("Accept", "application/json")
	status, header, body, err := t.Client.Do(request, LongestAnswer)
	if err != nil {
		return nil, fault.Unavailable(fmt.Errorf("userInfo endpoint: %w", err))
	}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if status != http.StatusOK || err != nil || mediaType != "application/json" {
		return nil, fault.Unavailable(fmt.Errorf("userInfo endpoint: HTTP status %d with content type %q", status, mediaType))
	}
	return body, nil
}

// ErrRevocationOff means that Cognito revokes no tokens of this app client.
var ErrRevocationOff = errors.New("revocation endpoint: invalid_request: token revocation is switched off for the app client")

// Revoke ends a refresh token and with it every token that was made from it
// (RFC 7009). Access tokens still verify by their signature until they expire.
func (t *TokenEndpoint) Revoke(ctx context.Context, refresh secret.Text) error {
	giveBack, err := t.Client.revocations.take(ctx)
	if err != nil {
		return fault.Unavailable(err)
	}
	defer giveBack()
	status, _, body, err := t.post(ctx, t.At.Revoke, url.Values{"token": {refresh.Reveal()}})
	switch {
	case err != nil:
		return fault.Unavailable(fmt.Errorf("revocation endpoint: %w", err))
	case status == http.StatusOK:
		return nil
	case bytes.Contains(body, []byte(`"invalid_request"`)): // there was a token, so nothing else is wrong
		return ErrRevocationOff
	}
	return fault.Unavailable(fmt.Errorf("revocation endpoint: HTTP status %d", status))
}

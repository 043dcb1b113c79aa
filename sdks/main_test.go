// Package sdks drives the local pool with AWS's own SDKs and with verifiers of
// others, unchanged. It is a module of its own for their sake.
package sdks_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/smithy-go"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

const secret = "a secret of 24 characters"

// newPool starts a pool with a public and a confidential client, and one that rotates.
func newPool(t *testing.T, options userpool.Options) *userpool.Pool {
	t.Helper()
	options.Clients = []userpool.Client{
		{ID: "public", CallbackURLs: []string{"http://localhost:8021/callback"}, LogoutURLs: []string{"http://localhost:8021/"}},
		{ID: "confidential", Secret: secret}, {ID: "rotating", RotateRefreshTokens: true},
	}
	pool := userpool.New(options)
	t.Cleanup(pool.Close)
	return pool
}

// newSDK is AWS's client, which signs what it must with keys that nobody checks.
func newSDK(t *testing.T, pool *userpool.Pool) *idp.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return idp.New(idp.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(pool.URL()),
		HTTPClient:       &http.Client{Transport: readsAll{transport}},
		RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "nobody", SecretAccessKey: "checks"}, nil
		}),
	})
}

// readsAll reads the response before AWS's client sees any of it. That one closes the body of
// its request as soon as there is a response, and if net/http is still at that body, it closes
// the connection with the rest of the response.
type readsAll struct{ http.RoundTripper }

func (r readsAll) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.RoundTripper.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	whole := *response
	whole.Body = io.NopCloser(bytes.NewReader(text))
	return &whole, nil
}

// must is the value of a call that has to work.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// wantError checks the type under which an SDK reports an error.
func wantError(t *testing.T, err error, kind string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != kind {
		t.Errorf("got %v, want %s", err, kind)
	}
}

// secretHash is what a confidential client sends.
func secretHash(username string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(username + "confidential"))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

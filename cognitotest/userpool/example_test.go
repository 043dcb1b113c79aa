package userpool_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// phoneApp is an application on a phone, so no example visits what happens to listen on
// this machine. login is where it sends its visitors.
const (
	phoneApp = "myapp://phone"
	login    = "/oauth2/authorize?response_type=code&state=xyz" +
		"&client_id=1example23456789&redirect_uri=" + phoneApp + "/login/redirect"
)

// A pool is ready when New returns, with a client and two users.
func ExampleNew() {
	pool := userpool.New(userpool.Options{})
	defer pool.Close()

	for _, client := range pool.Clients() {
		fmt.Println(client.ID, client.CallbackURLs)
	}
	for _, user := range pool.Users() {
		fmt.Println(user.Username, user.Password, user.Groups)
	}
	// Output:
	// 1example23456789 [http://localhost:8021/login/redirect]
	// alice wonderland [admin]
	// bob builder []
}

// Over TLS, a client needs the pool's certificate.
func ExamplePool_StartTLS() {
	pool := userpool.NewUnstarted(userpool.Options{})
	pool.StartTLS()
	defer pool.Close()

	trusted := x509.NewCertPool()
	trusted.AddCert(pool.Certificate())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	answer, err := client.Get(pool.Issuer() + "/.well-known/openid-configuration")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status)
	// Output: 200 OK
}

// A visitor fills in the form and comes back to the application.
func ExampleBrowser_Login() {
	pool := userpool.New(userpool.Options{})
	defer pool.Close()

	pool.AllowOrigin(phoneApp)
	page := pool.NewBrowser().Login(pool.URL()+login, "alice", "wonderland")
	fmt.Println(page.URL.Path, page.URL.Query().Get("state"))
	// Output: /login/redirect xyz
}

// The next login fails, as when a Lambda trigger refuses.
func ExamplePool_FailNextLogin() {
	pool := userpool.New(userpool.Options{})
	defer pool.Close()

	pool.FailNextLogin("invalid_request", "PreSignUp failed with error not today")
	pool.AllowOrigin(phoneApp)
	page := pool.NewBrowser().Login(pool.URL()+login, "alice", "wonderland")
	fmt.Println(page.URL.Query().Get("error_description"))
	// Output: PreSignUp failed with error not today
}

// Tokens for another audience, which an application must refuse.
func ExamplePool_Tamper() {
	pool := userpool.New(userpool.Options{})
	defer pool.Close()

	pool.Tamper(func(t *userpool.UnsignedToken) {
		if t.Use == "id" {
			t.Claims["aud"] = "another client"
		}
	})
	claims, _ := base64.RawURLEncoding.DecodeString(strings.Split(pool.IDToken("", "alice", nil), ".")[1])
	fmt.Println(strings.Contains(string(claims), `"aud":"another client"`))
	// Output: true
}

// A signed-in user's request, for a handler that accepts bearer tokens.
func ExamplePool_Authorize() {
	pool := userpool.New(userpool.Options{})
	defer pool.Close()

	request := httptest.NewRequest(http.MethodGet, "/orders", nil)
	pool.Authorize(request, "bob", map[string]any{"cognito:groups": []string{"admin"}})
	fmt.Println(strings.HasPrefix(request.Header.Get("Authorization"), "Bearer ey"))
	// Output: true
}

// The requests that the application has sent to the token endpoint.
func ExamplePool_Requests() {
	pool := userpool.New(userpool.Options{})
	defer pool.Close()

	answer, err := http.PostForm(pool.URL()+"/oauth2/token", map[string][]string{"grant_type": {"password"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	for _, request := range pool.Requests(userpool.Token) {
		fmt.Println(request.Method, request.Form.Get("grant_type"))
	}
	// Output: POST password
}

// A user signs up with the JSON API, as Amplify and the SDKs do, and confirms the address
// with the code that a pool would have sent.
func ExamplePool_ConfirmationCode() {
	pool := userpool.New(userpool.Options{})
	defer pool.Close()
	ask := func(operation string, body map[string]any) string {
		text, _ := json.Marshal(body)
		request, _ := http.NewRequest(http.MethodPost, pool.URL(), strings.NewReader(string(text)))
		request.Header.Set("Content-Type", "application/x-amz-json-1.1")
		request.Header.Set("X-Amz-Target", "AWSCognitoIdentityProviderService."+operation)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.Status
	}
	client := "1example23456789"
	fmt.Println(ask("SignUp", map[string]any{"ClientId": client, "Username": "carol", "Password": "Sesame-1"}))
	code := pool.ConfirmationCode("carol")
	fmt.Println(ask("ConfirmSignUp", map[string]any{"ClientId": client, "Username": "carol", "ConfirmationCode": code}))
	fmt.Println("asked", pool.Calls(userpool.IDP), "times")
	// Output:
	// 200 OK
	// 200 OK
	// asked 2 times
}

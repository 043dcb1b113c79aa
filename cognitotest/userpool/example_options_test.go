package userpool_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// In a container, the pool listens for others, which reach it at another address.
func ExampleOptions_anyAddr() {
	pool := userpool.New(userpool.Options{Addr: "0.0.0.0:0", AnyAddr: true, PublicURL: "http://pool.localhost:9229"})
	defer pool.Close()

	fmt.Println(pool.URL())
	fmt.Println(pool.Issuer())
	// Output:
	// http://pool.localhost:9229
	// http://pool.localhost:9229/us-east-1_TestPool1
}

// Behind a proxy that terminates TLS, the pool uses the address that browsers use.
func ExampleOptions_publicURL() {
	pool := userpool.New(userpool.Options{PublicURL: "https://login.localhost"})
	defer pool.Close()

	fmt.Println(pool.URL())
	// Output: https://login.localhost
}

// A program adds its own endpoint, such as a health check.
func ExampleOptions_front() {
	pool := userpool.New(userpool.Options{Front: func(endpoints http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", endpoints)
		mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "well") })
		return mux
	}})
	defer pool.Close()

	visitor := pool.NewBrowser()
	fmt.Println(visitor.Get(pool.URL() + "/health").Body)
	fmt.Println(visitor.Get(pool.Issuer() + "/.well-known/jwks.json").Status)
	// Output:
	// well
	// 200
}

// Tokens say an issuer of AWS, and the pool answers for Amazon's hosts, so an
// application runs with the settings of production.
func ExampleOptions_issuer() {
	pool := userpool.New(userpool.Options{
		UserPoolID: "eu-west-1_Example01", Issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example01",
	})
	defer pool.Close()

	client := http.Client{Transport: pool.Transport()}
	defer client.CloseIdleConnections()
	answer, err := client.Get(pool.Issuer() + "/.well-known/jwks.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status)
	// Output: 200 OK
}

// An application registers itself, and signs people in with the client that it got.
func ExampleOptions_openRegistration() {
	pool := userpool.New(userpool.Options{OpenRegistration: true})
	defer pool.Close()

	answer, err := http.Post(pool.URL()+"/oauth2/register", "application/json",
		strings.NewReader(`{"redirect_uris":["myapp://phone/cb"],"token_endpoint_auth_method":"none"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	var client struct {
		ID string `json:"client_id"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&client); err != nil {
		fmt.Println(err)
		return
	}
	login := pool.URL() + "/oauth2/authorize?response_type=code&redirect_uri=myapp://phone/cb&client_id=" + client.ID
	page := pool.NewBrowser().Login(login, "alice", "wonderland")
	fmt.Println(answer.StatusCode, page.URL.Path, page.URL.Query().Has("code"))
	// Output: 201 /cb true
}

// A test knows the application's port only once it listens.
func ExamplePool_AllowOrigin() {
	pool := userpool.New(userpool.Options{})
	defer pool.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	origin := "http://" + listener.Addr().String()
	pool.AllowOrigin(origin)

	client, _ := pool.ClientByID("")
	fmt.Println(client.CallbackURLs[len(client.CallbackURLs)-1] == origin+"/login/redirect")
	// Output: true
}

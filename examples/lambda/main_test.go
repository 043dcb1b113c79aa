package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	fiberadapter "github.com/awslabs/aws-lambda-go-api-proxy/fiber"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
)

// A local pool serves apps of this machine alone.
const (
	host    = "localhost"
	baseURL = "https://" + host
)

// answer is what came back, whichever way.
type answer struct {
	status  int
	header  http.Header
	cookies []*http.Cookie
	body    string
}

// gateway turns a request into an event of its kind, invokes the function, and turns
// what that returns into an answer. The documents are those of AWS, cut to what
// matters: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
// and https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
type gateway func(t *testing.T, app *fiber.App, method, path, query string, header map[string]string, cookies []string) answer

func httpAPI(t *testing.T, app *fiber.App, method, path, query string, header map[string]string, cookies []string) answer {
	var event events.APIGatewayV2HTTPRequest
	read(t, map[string]any{
		"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "cookies": cookies, "headers": lower(header),
		"requestContext": map[string]any{
			"accountId": "123456789012", "apiId": "abc123", "domainName": host, "stage": "$default", "timeEpoch": 1583348638390,
			"http": map[string]any{"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "a browser"},
		},
		"isBase64Encoded": false,
	}, &event)
	got, err := fiberadapter.New(app).ProxyWithContextV2(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	for name, value := range got.Headers {
		h.Set(name, value)
	}
	for _, cookie := range got.Cookies {
		h.Add("Set-Cookie", cookie)
	}
	return answerOf(got.StatusCode, h, got.Body)
}

func restAPI(t *testing.T, app *fiber.App, method, path, query string, header map[string]string, cookies []string) answer {
	var event events.APIGatewayProxyRequest
	many := multi(header, cookies)
	read(t, map[string]any{
		"resource": "/{proxy+}", "path": path, "httpMethod": method, "multiValueHeaders": many,
		"multiValueQueryStringParameters": parameters(t, query),
		"requestContext":                  map[string]any{"stage": "prod", "domainName": host, "identity": map[string]any{"sourceIp": "192.0.2.1"}, "protocol": "HTTP/1.1"},
		"isBase64Encoded":                 false,
	}, &event)
	got, err := fiberadapter.New(app).ProxyWithContext(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	return answerOf(got.StatusCode, canonical(got.MultiValueHeaders), got.Body)
}

func loadBalancer(t *testing.T, app *fiber.App, method, path, query string, header map[string]string, cookies []string) answer {
	var event events.ALBTargetGroupRequest
	asSent := map[string][]string{} // a load balancer leaves the query as it was
	for name, values := range parameters(t, query) {
		for _, value := range values {
			asSent[url.QueryEscape(name)] = append(asSent[url.QueryEscape(name)], url.QueryEscape(value))
		}
	}
	read(t, map[string]any{
		"requestContext": map[string]any{"elb": map[string]any{"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-2:123456789012:targetgroup/lambda/0123"}},
		"httpMethod":     method, "path": path, "multiValueHeaders": multi(header, cookies), "multiValueQueryStringParameters": asSent,
		"body": "", "isBase64Encoded": false,
	}, &event)
	// The adapter escapes the query, which a load balancer has left as it was.
	decoded := map[string][]string{}
	for name, values := range event.MultiValueQueryStringParameters {
		for _, value := range values {
			decoded[unescape(t, name)] = append(decoded[unescape(t, name)], unescape(t, value))
		}
	}
	event.MultiValueQueryStringParameters = decoded
	got, err := httpadapter.NewALB(adaptor.FiberApp(app)).ProxyWithContext(context.Background(), event)
	if err != nil {
		t.Fatal(err)
	}
	return answerOf(got.StatusCode, canonical(got.MultiValueHeaders), got.Body)
}

func unescape(t *testing.T, text string) string {
	t.Helper()
	plain, err := url.QueryUnescape(text)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func read(t *testing.T, document map[string]any, into any) {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func lower(header map[string]string) map[string]string {
	h := map[string]string{"host": host, "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.1"}
	for name, value := range header {
		h[strings.ToLower(name)] = value
	}
	return h
}

func multi(header map[string]string, cookies []string) map[string][]string {
	many := map[string][]string{}
	for name, value := range lower(header) {
		many[name] = []string{value}
	}
	if len(cookies) > 0 {
		many["cookie"] = []string{strings.Join(cookies, "; ")}
	}
	return many
}

func parameters(t *testing.T, query string) map[string][]string {
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func canonical(many map[string][]string) http.Header {
	h := http.Header{}
	for name, values := range many {
		for _, value := range values {
			h.Add(name, value)
		}
	}
	return h
}

func answerOf(status int, h http.Header, body string) answer {
	return answer{status, h, (&http.Response{Header: h}).Cookies(), body}
}

// browser keeps cookies and asks the function through a gateway.
type browser struct {
	*testing.T
	app     func() *fiber.App
	through gateway
	jar     map[string]string
}

func (b *browser) send(method, target string, header map[string]string) answer {
	b.Helper()
	path, query, _ := strings.Cut(strings.TrimPrefix(target, baseURL), "?")
	var cookies []string
	for name, value := range b.jar {
		cookies = append(cookies, name+"="+value)
	}
	got := b.through(b.T, b.app(), method, path, query, header, cookies)
	for _, cookie := range got.cookies {
		if cookie.Value == "" {
			delete(b.jar, cookie.Name)
		} else {
			b.jar[cookie.Name] = cookie.Value
		}
	}
	return got
}

var opensPage = map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "document"}

// TestFunction: a visitor of a function that is frozen between requests, or a new one
// each time, signs in, comes back after the tokens' expiry, and signs out.
func TestFunction(t *testing.T) {
	for name, through := range map[string]gateway{"HTTP API": httpAPI, "REST API": restAPI, "load balancer": loadBalancer} {
		t.Run(name, func(t *testing.T) {
			pool := cognitotest.New(cognitotest.Options{})
			t.Cleanup(pool.Close)
			pool.AllowOrigin(baseURL)
			client := pool.Config().ClientID
			pool.SetClient(cognitotest.Client{ID: client, CallbackURLs: []string{baseURL + "/login/redirect"}, LogoutURLs: []string{baseURL + "/"}, RotateRefreshTokens: true, RotationGrace: 10 * time.Second})
			config := pool.Config()
			config.BaseURL, config.Keys = baseURL, []string{"4fJq2vX0m5Z3rT7wY1uB6nL9cE8sD0Gh"}
			b := &browser{T: t, app: instances(t, config), through: through, jar: map[string]string{}}

			wanted := b.send("GET", "/me?tab=2", opensPage)
			login := b.send("GET", wanted.header.Get("Location"), opensPage)
			back := signIn(t, pool, login.header.Get("Location"))
			landed := b.send("GET", back, opensPage)
			if landed.status != http.StatusFound || landed.header.Get("Location") != "/me?tab=2" {
				t.Fatalf("the callback answers %d to %q: %.300s", landed.status, landed.header.Get("Location"), landed.body)
			}
			for range 3 {
				if me := b.send("GET", "/me", opensPage); me.status != http.StatusOK || !strings.Contains(me.body, `"email":"alice@example.com"`) {
					t.Fatalf("/me answers %d %.300s", me.status, me.body)
				}
				pool.Advance(2 * time.Hour) // frozen all the while
			}
			if out := b.send("POST", "/logout", map[string]string{"Origin": baseURL, "Sec-Fetch-Site": "same-origin"}); out.status != http.StatusSeeOther {
				t.Errorf("the logout answers %d", out.status)
			}
			if home := b.send("GET", "/", nil); home.body != "null" {
				t.Errorf("after the logout the home page says %s", home.body)
			}
		})
	}
}

// instances make a new process for every request: the worst that Lambda does.
func instances(t *testing.T, config cognito.Config) func() *fiber.App {
	return func() *fiber.App {
		app, err := newApp(config)
		if err != nil {
			t.Fatal(err)
		}
		return app
	}
}

// signIn signs alice in at the pool and returns where that sends her.
func signIn(t *testing.T, pool *cognitotest.Pool, authorize string) string {
	t.Helper()
	visitor := pool.NewBrowser()
	visitor.HTTPClient.Transport = stopAtApp{visitor.HTTPClient.Transport}
	page := visitor.Login(authorize, "alice", "wonderland")
	if page.URL.Host != host {
		t.Fatalf("the pool leads to %s", page.URL)
	}
	return page.URL.String()
}

// stopAtApp answers for the app, which has no address on this machine.
type stopAtApp struct{ pool http.RoundTripper }

func (s stopAtApp) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != host {
		return s.pool.RoundTrip(r)
	}
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

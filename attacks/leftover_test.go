package attacks_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	recoverer "github.com/gofiber/fiber/v2/middleware/recover"
)

// converse sends bytes on one connection, as they stand, and returns all answers.
func converse(s *lab.Site, text string) (answers []string) {
	s.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // or a defect hangs
	go func() { _, _ = io.WriteString(conn, text) }()
	for reader := bufio.NewReader(conn); ; {
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			return answers
		}
		body, _ := io.ReadAll(res.Body)
		answers = append(answers, fmt.Sprintf("%d %s", res.StatusCode, body))
	}
}

// TestBodyThatIsARequest: another site's form holds a request, with the app's own Origin,
// that ends in the middle of a header. If nobody reads the form, it must not be taken for
// the next request on the connection, to which the visitor's own next one would lend its
// cookie. fasthttp leaves bodies there with StreamRequestBody.
func TestBodyThatIsARequest(t *testing.T) {
	t.Parallel()
	s := lab.ServeAppStreaming(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(recoverer.New(), auth.Handler())
		lab.Pages(app)
		app.Post("/upload", func(c *fiber.Ctx) error {
			n, err := io.Copy(io.Discard, c.Context().RequestBodyStream())
			return errors.Join(err, c.SendString(fmt.Sprint("took ", n)))
		})
		app.Post("/echo", func(c *fiber.Ctx) error {
			body := c.Context().RequestBodyStream()
			c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
				n, err := io.Copy(io.Discard, body)
				fmt.Fprint(w, "echoed ", n, err)
			})
			return nil
		})
		app.Post("/panic", func(*fiber.Ctx) error { panic("a handler") })
	}, func(c *cognito.Config) { c.Next = func(c *fiber.Ctx) bool { return c.Path() == "/skipped" } })
	alice := s.SignIn("alice")
	host := strings.TrimPrefix(s.URL, "http://")
	cookie := fmt.Sprintf("Cookie: %s=%s\r\n", alice.Name, alice.Value)
	form := func(target, origin, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\n%sContent-Length: %d\r\n\r\n%s", target, host, origin, cookie, len(body), body)
	}
	smuggled := fmt.Sprintf("POST /me HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nContent-Length: 0\r\nX-Swallows: ", host, s.URL)
	chunks := fmt.Sprintf("POST /me HTTP/1.1\r\nHost: %s\r\nOrigin: https://evil.example\r\nTransfer-Encoding: chunked\r\n\r\n", host)
	visit := fmt.Sprintf("GET /public HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n", host, cookie)
	for name, sent := range map[string]string{
		"refused":               form("/me", "https://evil.example", strings.Repeat("a", 8192)+smuggled),
		"a logout":              form("/logout", "https://evil.example", strings.Repeat("a", 8192)+smuggled),
		"the wrong method":      form("/login", "https://evil.example", strings.Repeat("a", 8192)+smuggled),
		"an ambiguous path":     form("//x", "https://evil.example", strings.Repeat("a", 8192)+smuggled),
		"no such page":          form("/nowhere", "https://evil.example", strings.Repeat("a", 8192)+smuggled),
		"a handler that panics": form("/panic", "https://evil.example", strings.Repeat("a", 8192)+smuggled),
		"skipped":               form("/skipped", "https://evil.example", strings.Repeat("a", 8192)+smuggled),
		"a large one":           form("/me", "https://evil.example", strings.Repeat("a", 8192)+strings.Repeat(smuggled, 3000)),
		"in chunks":             chunks + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled),
		"chunks that are one":   chunks + smuggled,
	} {
		answers := converse(s, sent+visit)
		if len(answers) == 0 || strings.HasPrefix(answers[0], "200") || len(answers) > 2 || len(answers) == 2 && answers[1] != "200 public" {
			t.Errorf("%s: the answers are %q", name, answers)
		}
	}
	answers := converse(s, form("/upload", s.URL, strings.Repeat("a", 300000))+form("/me", s.URL, strings.Repeat("a", 20000))+form("/echo", s.URL, strings.Repeat("a", 20000))+visit)
	if want := []string{"200 took 300000", "200 changed", "200 echoed 20000 <nil>"}; !slices.Equal(answers, want) { // the connection ends
		t.Errorf("alice's own forms are answered %q, want %q", answers, want)
	}
}

// TestEpilogueThatIsARequest is the same in any app: of a form in parts, fasthttp reads up
// to the end of the last one.
func TestEpilogueThatIsARequest(t *testing.T) {
	t.Parallel()
	furnish := func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		lab.Pages(app)
		app.Post("/upload", func(c *fiber.Ctx) error { return c.SendString("took " + c.FormValue("a")) })
	}
	for name, s := range map[string]*lab.Site{
		"by default":     lab.ServeAppWith(t, lab.NewPool(t), furnish),
		"with streaming": lab.ServeAppStreaming(t, furnish),
		"with the whole body read first": lab.ServeAppWith(t, lab.NewPool(t), func(app *fiber.App, auth *cognito.Auth) {
			app.Server().DisablePreParseMultipartForm = true
			furnish(app, auth)
		}),
	} {
		alice := s.SignIn("alice")
		host := strings.TrimPrefix(s.URL, "http://")
		form := func(target, origin, epilogue string) string {
			body := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n" + epilogue
			return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nCookie: %s=%s\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n%s", target, host, origin, alice.Name, alice.Value, len(body), body)
		}
		smuggled := fmt.Sprintf("POST /me HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nContent-Length: 0\r\nX-Swallows: ", host, s.URL)
		visit := fmt.Sprintf("GET /public HTTP/1.1\r\nHost: %s\r\nCookie: %s=%s\r\nConnection: close\r\n\r\n", host, alice.Name, alice.Value)
		for _, target := range []string{"/me", "/logout", "/login", "/nowhere", "//x"} {
			for _, lines := range []int{2000, 4000, 8000} { // some are read with the last part
				answers := converse(s, form(target, "https://evil.example", strings.Repeat("\r\n", lines)+smuggled)+visit)
				if len(answers) == 0 || strings.HasPrefix(answers[0], "200") || len(answers) > 2 || len(answers) == 2 && answers[1] != "200 public" {
					t.Errorf("%s, %s, %d lines: the answers are %q", name, target, lines, answers)
				}
			}
		}
		want := []string{"200 took b", "200 public"}
		if !s.App.Server().DisablePreParseMultipartForm {
			want = want[:1] // the connection ends
		}
		if answers := converse(s, form("/upload", s.URL, "")+visit); !slices.Equal(answers, want) {
			t.Errorf("%s: alice's own form is answered %q, want %q", name, answers, want)
		}
	}
}

// TestRestOfWhatIsGivenUp is the same for a handler that gives up, as fasthttp's timeouts
// do: the answer is then another one than the handler's.
func TestRestOfWhatIsGivenUp(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		lab.Pages(app)
		app.Post("/slow", func(c *fiber.Ctx) error {
			c.Context().TimeoutError("too late")
			return nil
		})
	})
	alice := s.SignIn("alice")
	host := strings.TrimPrefix(s.URL, "http://")
	smuggled := fmt.Sprintf("POST /me HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nContent-Length: 0\r\nX-Swallows: ", host, s.URL)
	visit := fmt.Sprintf("GET /public HTTP/1.1\r\nHost: %s\r\nCookie: %s=%s\r\nConnection: close\r\n\r\n", host, alice.Name, alice.Value)
	for _, lines := range []int{2000, 4000, 8000} { // some are read with the last part
		body := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n" + strings.Repeat("\r\n", lines) + smuggled
		form := fmt.Sprintf("POST /slow HTTP/1.1\r\nHost: %s\r\nOrigin: https://evil.example\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n%s", host, len(body), body)
		if answers := converse(s, form+visit); !slices.Equal(answers, []string{"408 too late"}) {
			t.Errorf("%d lines: the answers are %q", lines, answers)
		}
	}
	if answers := converse(s, visit); !slices.Equal(answers, []string{"200 public"}) {
		t.Errorf("alice's own visit is answered %q", answers)
	}
}

// TestConnectionTakenOver: a handler that takes the connection over after a form in parts
// gets it, since no request follows there.
func TestConnectionTakenOver(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.Post("/take", func(c *fiber.Ctx) error {
			c.Context().Hijack(func(conn net.Conn) { fmt.Fprint(conn, "taken over") })
			return nil
		})
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // or a defect hangs
	body := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n"
	fmt.Fprintf(conn, "POST /take HTTP/1.1\r\nHost: %s\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n%s", conn.RemoteAddr(), len(body), body)
	if all, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(all), "taken over") {
		t.Errorf("the connection brings %q, %v", all, err)
	}
}

// TestFormThroughAnAdaptor: in an app that is served by net/http, a form in parts costs
// nobody the connection, which with HTTP/2 is that of all the browser's requests. net/http
// itself knows where a body ends: what follows the last part is no request.
func TestFormThroughAnAdaptor(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.Post("/upload", func(c *fiber.Ctx) error { return c.SendString("took " + c.FormValue("a")) })
		lab.Pages(app)
	})
	alice := s.SignIn("alice")
	server := httptest.NewServer(adaptor.FiberApp(s.App))
	defer server.Close()
	site := &lab.Site{T: t, URL: server.URL}
	visit := fmt.Sprintf("GET /public HTTP/1.1\r\nHost: x\r\nCookie: %s=%s\r\nConnection: close\r\n\r\n", alice.Name, alice.Value)
	smuggled := fmt.Sprintf("POST /me HTTP/1.1\r\nHost: x\r\nOrigin: %s\r\nContent-Length: 0\r\nX-Swallows: ", s.URL)
	for _, epilogue := range []string{"", smuggled, strings.Repeat("\r\n", 8000) + smuggled} {
		body := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n" + epilogue
		form := fmt.Sprintf("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if answers := converse(site, form+visit); !slices.Equal(answers, []string{"200 took b", "200 public"}) {
			t.Errorf("with %d bytes behind the form: %q", len(epilogue), answers)
		}
	}
}

package userpool

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Who the pool knows: applications and people. Everything is copied on the way in
// and handed out by value, so that a test may go on using what it registered.

// User is somebody who can sign in.
type User struct {
	// Username is the unique name.
	//
	// Required.
	Username string

	// Password is what the login form asks for, in plain text. Browsers do not
	// submit an empty one; the helpers that sign in without the form need none.
	//
	// Optional. Default: "".
	Password string

	// Subject is the sub claim.
	//
	// Optional. Default: a UUID made from Username.
	Subject string

	// Email and Name are the claims of these names.
	//
	// Optional. Default: "", and no such claim.
	Email, Name string

	// EmailVerified is the email_verified claim of a user with an Email.
	//
	// Optional. Default: false.
	EmailVerified bool

	// Groups are the cognito:groups.
	//
	// Optional. Default: none, and no such claim.
	Groups []string

	// Attributes are further attributes, such as phone_number or custom:plan.
	//
	// Optional. Default: none.
	Attributes map[string]string

	// Roles are the cognito:roles of the ID token, which are ARNs of IAM roles. In Cognito
	// they come from the user's groups.
	//
	// Optional. Default: none, and no such claims.
	Roles []string

	// PreferredRole is the cognito:preferred_role of the ID token.
	//
	// Optional. Default: "", and no such claim.
	PreferredRole string

	// SecondFactor lets the user reach a level above the first in a pool with
	// [Options.Levels]. The page asks only for the password, which counts as both factors.
	//
	// Optional. Default: false.
	SecondFactor bool

	// Disabled keeps the user from signing in and from refreshing.
	//
	// Optional. Default: false.
	Disabled bool
}

// roll is a map that remembers who came first: the first client is the default
// one, and the demo users are listed as they were given.
type roll[T any] struct {
	names  []string
	byName map[string]T
}

func (r *roll[T]) set(name string, value T) {
	if r.byName == nil {
		r.byName = map[string]T{}
	}
	if _, known := r.byName[name]; !known {
		r.names = append(r.names, name)
	}
	r.byName[name] = value
}

func (r *roll[T]) remove(name string) {
	delete(r.byName, name)
	r.names = slices.DeleteFunc(r.names, func(n string) bool { return n == name })
}

// fill registers the clients and users of the options, or the default ones.
func (p *Pool) fill(options Options) {
	if len(options.Clients) == 0 {
		options.Clients = []Client{{
			ID:           "1example23456789",
			CallbackURLs: []string{"http://localhost:8021/login/redirect"},
			LogoutURLs:   []string{"http://localhost:8021/"},
		}}
	}
	if options.Users == nil {
		options.Users = []User{{
			Username: "alice", Password: "wonderland", Name: "Alice Liddell",
			Email: "alice@example.com", EmailVerified: true, Groups: []string{"admin"},
		}, {
			Username: "bob", Password: "builder", Name: "Bob Builder", Email: "bob@example.com",
		}}
	}
	for _, client := range options.Clients {
		p.SetClient(client)
	}
	for _, user := range options.Users {
		p.SetUser(user)
	}
	for _, provider := range options.Providers {
		p.SetProvider(provider)
	}
}

// AllowOrigin registers origin+"/login/redirect" as a callback URL and
// origin+"/" as a logout URL of every client, those set later included. It is
// for tests that only know their port once they listen:
//
//	listener, err := net.Listen("tcp", "127.0.0.1:0")
//	…
//	pool.AllowOrigin("http://" + listener.Addr().String())
func (p *Pool) AllowOrigin(origin string) {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" {
		panic(fmt.Sprintf("userpool: AllowOrigin(%q): not an origin", origin))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.origins = append(p.origins, strings.TrimSuffix(origin, "/"))
}

// ClientByID returns a client as it is registered, with the URLs of
// [Pool.AllowOrigin]. The ID "" means the pool's first client.
func (p *Pool) ClientByID(id string) (Client, bool) { return p.client(id) }

// client returns a client with the URLs of AllowOrigin added. The id "" stands
// for the pool's first client.
func (p *Pool) client(id string) (Client, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id == "" && len(p.clients.names) > 0 {
		id = p.clients.names[0]
	}
	client, ok := p.clients.byName[id]
	// Clipped, so that appending never writes into the registered slices.
	client.CallbackURLs = slices.Clip(client.CallbackURLs)
	client.LogoutURLs = slices.Clip(client.LogoutURLs)
	for _, origin := range p.origins {
		client.CallbackURLs = append(client.CallbackURLs, origin+"/login/redirect")
		client.LogoutURLs = append(client.LogoutURLs, origin+"/")
	}
	return client, ok
}

// SetUser adds a user, or replaces the one with the same Username. Changed groups and
// attributes are in tokens issued from now on, so an application that already has
// tokens sees them at its next refresh.
func (p *Pool) SetUser(user User) {
	if user.Username == "" {
		panic("userpool: a User needs a Username")
	}
	user.Subject = cmp.Or(user.Subject, subjectOf(user.Username))
	user.Groups = slices.Clone(user.Groups)
	user.Roles = slices.Clone(user.Roles)
	attributes := make(map[string]string, len(user.Attributes))
	for name, value := range user.Attributes {
		attributes[name] = value
	}
	user.Attributes = attributes

	p.mu.Lock()
	defer p.mu.Unlock()
	p.users.set(p.fold(user.Username), user)
	p.setAccount(user.Username, statusConfirmed)
}

// RemoveUser deletes a user. Their refresh tokens and their session on the pool's
// page stop working. If the user is set again, both work again.
func (p *Pool) RemoveUser(username string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mustKnow("RemoveUser", username)
	p.forget(p.fold(username))
}

// forget removes what is known of a user, by the folded name. The caller holds mu.
func (p *Pool) forget(name string) {
	p.users.remove(name)
	delete(p.idp.accounts, name)
	delete(p.federation.identities, name)
}

// mustKnow ends a test that speaks of a user who does not exist: with a typing error
// it would prove nothing. The caller holds mu.
func (p *Pool) mustKnow(helper, username string) {
	if _, ok := p.users.byName[p.fold(username)]; !ok {
		panic(fmt.Sprintf("userpool: %s: the pool has no user %q", helper, username))
	}
}

// user returns a user who exists and is not disabled.
func (p *Pool) user(username string) (User, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	user, ok := p.users.byName[p.fold(username)]
	return user, ok && !user.Disabled
}

// fold is the form in which names and e-mail addresses are compared.
func (p *Pool) fold(name string) string {
	if p.caseSensitive {
		return name
	}
	return strings.ToLower(name)
}

// Users returns all users, in the order in which they were added.
func (p *Pool) Users() []User { return p.allUsers() }

// Clients returns the app clients as they are registered, in the order in which they
// were added.
func (p *Pool) Clients() []Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	clients := make([]Client, 0, len(p.clients.names))
	for _, id := range p.clients.names {
		clients = append(clients, p.clients.byName[id])
	}
	return clients
}

// allUsers returns the users in the order in which they were added.
func (p *Pool) allUsers() []User {
	p.mu.Lock()
	defer p.mu.Unlock()
	users := make([]User, 0, len(p.users.names))
	for _, name := range p.users.names {
		users = append(users, p.users.byName[name])
	}
	return users
}

// subjectOf makes the same UUID from the same username in every run, so that
// tests can print it.
func subjectOf(username string) string {
	sum := sha256.Sum256([]byte("cognitotest user " + username))
	return formatUUID([16]byte(sum[:16]))
}

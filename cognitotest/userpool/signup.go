package userpool

import (
	"net/http"
	"strings"
	"sync"
)

// The pages that a login may begin with instead of the sign-in page: to sign up, and to
// choose another password. Both take authorize's parameters, send a code, which is shown
// here on the page that asks for it, and lead back to the application signed in.

// registration is somebody who has been sent a code.
type registration struct {
	user  User   // with the password that it will have
	reset bool   // of a user who is there, and has forgotten it
	code  string // that was sent
}

// registrations are those who have not confirmed theirs yet, by an id in their form.
type registrations struct {
	mu   sync.Mutex
	open map[string]registration
}

func (r *registrations) add(one registration) (id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = map[string]registration{}
	}
	id = randomText(16)
	r.open[id] = one
	return id
}

func (r *registrations) find(id string) (registration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, ok := r.open[id]
	return one, ok
}

func (r *registrations) done(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, id)
}

// field is an input of a form.
type field struct{ Name, Label, Type, Autocomplete, Value string }

// pageForm is a page with a form.
type pageForm struct {
	ID, Title, Lead, Button, Error, XSRF string
	Fields, Hidden                       []field
	Cancel                               bool // has a button for it
}

// formPage is what the template "form" shows.
type formPage struct {
	page
	Form   pageForm
	Action string
	Users  []User // to show with their passwords
	Script string // that submits the form by itself, or ""
}

func (p *Pool) showPageForm(w http.ResponseWriter, r *http.Request, path string, a authorization, form pageForm) {
	form.XSRF = xsrfToken(w, r)
	p.render(w, http.StatusOK, "form", formTargets(a.client), formPage{
		page: p.page(homeOf(a.client, a.redirectURI)), Form: form, Action: path + "?" + r.URL.RawQuery,
	})
}

// formRequest reads the parameters of a page with a form, and answers for those that
// will not do, and for a form that did not come from here.
func (p *Pool) formRequest(w http.ResponseWriter, r *http.Request) (authorization, bool) {
	request, refused := p.readAuthorization(r.URL.Query())
	switch {
	case refused != nil:
		p.refuse(w, r, request, refused)
	case r.Method == http.MethodPost && !xsrfMatches(r):
		p.showMessage(w, r, http.StatusForbidden, "Something went wrong", "The form did not come "+
			"from this page, or your browser does not keep its cookie.", "invalid_csrf")
	default:
		return request, true
	}
	return request, false
}

func signUpForm(username, email, problem string) pageForm {
	return pageForm{
		ID: "signup", Title: "Sign up", Lead: "Create an account in this user pool.", Button: "Sign up", Error: problem,
		Fields: []field{
			{"username", "Username", "text", "username", username},
			{"email", "Email", "email", "email", email},
			{"password", "Password", "password", "new-password", ""},
		},
	}
}

func (p *Pool) showSignUp(w http.ResponseWriter, r *http.Request) {
	if request, ok := p.formRequest(w, r); ok {
		p.showPageForm(w, r, "/signup", request, signUpForm(request.loginHint, "", ""))
	}
}

func (p *Pool) submitSignUp(w http.ResponseWriter, r *http.Request) {
	request, ok := p.formRequest(w, r)
	if !ok {
		return
	}
	user := User{
		Username: strings.TrimSpace(r.PostForm.Get("username")), Email: strings.TrimSpace(r.PostForm.Get("email")),
		Password: r.PostForm.Get("password"), EmailVerified: true,
	}
	problem := ""
	switch _, taken := p.anyUser(user.Username); {
	case taken:
		problem = "User already exists"
	case user.Username == "" || user.Email == "" || user.Password == "":
		problem = "Please fill in every field."
	}
	if problem != "" {
		p.showPageForm(w, r, "/signup", request, signUpForm(user.Username, user.Email, problem))
		return
	}
	p.askForCode(w, r, request, registration{user: user, code: newConfirmationCode()}, "")
}

func (p *Pool) showForgotten(w http.ResponseWriter, r *http.Request) {
	if request, ok := p.formRequest(w, r); ok {
		p.showPageForm(w, r, "/forgotPassword", request, pageForm{
			ID: "forgotten", Title: "Forgot your password?", Lead: "Choose a new password. You will then need a code to confirm that it is you.", Button: "Reset my password",
			Fields: []field{
				{"username", "Username", "text", "username", request.loginHint},
				{"password", "New password", "password", "new-password", ""},
			},
		})
	}
}

// submitForgotten answers alike whether there is such a user: nobody can find out. Like the
// sign-in page, it takes an e-mail address for the name.
func (p *Pool) submitForgotten(w http.ResponseWriter, r *http.Request) {
	request, ok := p.formRequest(w, r)
	if !ok {
		return
	}
	user, known := p.anyUser(strings.TrimSpace(r.PostForm.Get("username")))
	if !known || p.isFederated(user.Username) {
		user = User{} // who has a password elsewhere forgets it there
	}
	user.Password = r.PostForm.Get("password")
	p.askForCode(w, r, request, registration{user: user, reset: true, code: newConfirmationCode()}, "")
}

// askForCode shows the code that a real pool sends by mail, and asks for it.
func (p *Pool) askForCode(w http.ResponseWriter, r *http.Request, request authorization, one registration, problem string) {
	form := pageForm{
		ID: "confirm", Title: "Enter your code", Lead: "A real pool sends it by e-mail. This one is " + one.code + ".",
		Button: "Confirm", Error: problem,
		Fields: []field{{"code", "Code", "text", "one-time-code", ""}},
		Hidden: []field{{Name: "registration", Value: p.registrations.add(one)}},
	}
	p.showPageForm(w, r, "/confirm", request, form)
}

// showConfirm is for whoever opens the page without having come from a form.
func (p *Pool) showConfirm(w http.ResponseWriter, r *http.Request) {
	if _, ok := p.formRequest(w, r); ok {
		p.showMessage(w, r, http.StatusBadRequest, "Something went wrong", "Please start again at the application.", "no_registration")
	}
}

func (p *Pool) submitConfirm(w http.ResponseWriter, r *http.Request) {
	request, ok := p.formRequest(w, r)
	if !ok {
		return
	}
	id := r.PostForm.Get("registration")
	one, found := p.registrations.find(id)
	p.registrations.done(id)
	wrong := one.user.Username == "" || strings.TrimSpace(r.PostForm.Get("code")) != one.code
	switch {
	case found && wrong:
		p.askForCode(w, r, request, one, "Invalid verification code provided, please try again.")
		return
	case !found || !p.complete(one):
		p.showMessage(w, r, http.StatusBadRequest, "Something went wrong", "Please start again at the application.", "no_registration")
		return
	}
	started := p.startSession(w, one.user.Username, request.client, levelPassword)
	redirectBack(w, r, request, p.grantTo(request, started))
}

// complete adds the user, or sets only the password of one who is there. It reports false if
// meanwhile somebody else took the name, or an administrator removed or disabled the user.
func (p *Pool) complete(one registration) bool {
	if one.reset {
		user, known := p.user(one.user.Username)
		if known {
			_, err := p.change(user.Username, statusConfirmed, func(u *User) { u.Password = one.user.Password })
			known = err == nil
		}
		return known
	}
	if _, taken := p.anyUser(one.user.Username); taken {
		return false
	}
	p.SetUser(one.user)
	return true
}

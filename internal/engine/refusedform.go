package engine

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
)

// A refused form is not answered at its own address. A page there could be reloaded, by
// the visitor or by a script of the app's own error page. Browsers would then send the
// form again, this time as the app's own: same-origin, and with the cookies that they
// had withheld. So the browser is redirected to a page of ours that says what
// happened and offers a way on.

// refusedWord is the query parameter of LoginPath that asks for that page.
const refusedWord = "refused"

// referenceWord is the one that holds the refusal's reference.
const referenceWord = "reference"

// refusedReasons are the reasons that the page can show. Its texts are ours: a stranger
// who invents an address gets one of these, and nothing that the stranger wrote.
var refusedReasons = []*fault.Reason{
	fault.ErrNotSignedIn, fault.ErrSessionEnded, fault.ErrStaleLogin, fault.ErrLevel, fault.ErrForbidden, fault.ErrCrossOrigin,
	fault.ErrUnavailable, fault.ErrBusy, fault.ErrMisconfigured, fault.ErrInternal,
	// Of handlers that begin logins, or return a reason of their own.
	fault.ErrBadLogin, fault.ErrLoginLoop, fault.ErrNotNavigation, fault.ErrNotAdmitted, fault.ErrLevelNotReached,
}

// leavesForm reports whether a refusal has to be answered at another address. A wrong
// method or path is answered where it is: a reload cannot do anything there.
func (a *Engine) leavesForm(r Request, e *fault.Error) bool {
	return r.Method == http.MethodPost && !errors.Is(e, fault.ErrMethod) && !errors.Is(e, fault.ErrAmbiguousPath) &&
		!a.bringsToken(r) && r.asking().SubmitsForm()
}

// leaveForm sends the browser to the page.
func (a *Engine) leaveForm(r Request, e *fault.Error) error {
	query := url.Values{refusedWord: {e.Code()}}
	if reference := fault.Of(e).Reference; reference != "" {
		query.Set(referenceWord, reference)
	}
	// By the name that the login has for them, which checks them as well.
	if levels := fault.Of(e).Levels; len(levels) > 0 {
		query.Set("acr_values", strings.Join(levels, " "))
	}
	if back := a.formPage(r); back != a.settings.AfterLogin {
		query.Set("return_to", back)
	}
	sealResponse(r)
	return r.redirect(pool.WithQuery(a.Address(a.settings.LoginPath), query), http.StatusSeeOther)
}

// formPage is the page with the form, if the request says so and it is the app's own.
// Otherwise it is the address that the form was sent to, which is often the same. What
// follows base matters: https://app.example.com.evil.example begins with base, too.
func (a *Engine) formPage(r Request) string {
	referer, err := url.Parse(r.header("Referer"))
	base, unknown := a.baseURL(r)
	if err != nil || unknown != nil {
		return a.returnPath(r.originalURL())
	}
	rest, own := strings.CutPrefix(referer.String(), base)
	if !own || (rest != "" && rest[0] != '/' && rest[0] != '?') {
		return a.returnPath(r.originalURL())
	}
	return a.returnPath(a.inApp(referer))
}

// serveRefused shows the page, in the app's look if it has one. It does nothing, so
// anybody may open it.
func (a *Engine) serveRefused(r Request, word string) error {
	e := refusedForm(word, string(r.QueryArgs().Peek(referenceWord)), a.returnPath(r.returnTo()))
	if asked, err := readWishes(r.QueryArgs()); err == nil {
		fault.Of(e).Levels = asked.Levels
	}
	e = fault.Answered(e, fault.Answer{
		AsPage: true, AppName: a.settings.AppName, FormLost: true, Ways: a.waysOn(e, a.Address(fault.Of(e).ReturnTo)),
	})
	sealResponse(r)
	// Not refuse: it was refused, and told to OnEvent, when the form was sent.
	if answered, err := a.askApp(r, e); answered {
		return err
	}
	return answer(r, e)
}

// refusedForm is the error that the page is about. Its status is the page's own. A reason
// that is not in the list counts as ErrNotSignedIn, and what is no reference of ours is
// dropped: a stranger may have written both.
func refusedForm(word, reference, returnTo string) *fault.Error {
	d := fault.Details{Reason: fault.ErrNotSignedIn, Status: http.StatusOK, ReturnTo: returnTo, Announced: true}
	for _, reason := range refusedReasons {
		if fault.CodeOf(reason) == word {
			d.Reason = reason
		}
	}
	if fault.IsReference(reference) {
		d.Reference = reference
	}
	return fault.New(d)
}

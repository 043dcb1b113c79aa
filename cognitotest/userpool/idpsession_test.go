package userpool_test

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

const selfScope = "openid aws.cognito.signin.user.admin"

// apiSignIn signs in by the API, without a browser.
func (p *party) apiSignIn(username, password string) map[string]any {
	p.t.Helper()
	got := p.api("InitiateAuth", `{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"client1",`+
		`"AuthParameters":{"USERNAME":"`+username+`","PASSWORD":"`+password+`"}}`, nil)
	got.wantOK(p.t)
	tokens, _ := got.members["AuthenticationResult"].(map[string]any)
	return tokens
}

// listed are the sessions that an operation lists.
func (p *party) listed(operation, body string) []map[string]any {
	p.t.Helper()
	got := p.api(operation, body, nil)
	got.wantOK(p.t)
	all, _ := got.members["Sessions"].([]any)
	sessions := []map[string]any{}
	for _, one := range all {
		session, _ := one.(map[string]any)
		sessions = append(sessions, session)
	}
	return sessions
}

func bearerBody(token any, more string) string {
	raw, _ := token.(string)
	return `{"AccessToken":"` + raw + `"` + more + `}`
}

const aliceBody = `{"UserPoolId":"us-east-1_TestPool1","Username":"alice"`

// TestListSessions (cognito.md §12b): a user sees where they are signed in, ends one of
// it and keeps the others.
func TestListSessions(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{MaxSessions: 5})
	here := p.tokens(map[string]string{"scope": selfScope})
	p.pool.Advance(time.Minute)
	phone := p.apiSignIn("alice", "wonderland")
	p.apiSignIn("bob", "builder")
	p.pool.Advance(time.Minute)
	p.refresh(here["refresh_token"]).wantOK(t)

	sessions := p.listed("ListUserSessions", bearerBody(here["access_token"], ""))
	if len(sessions) != 3 {
		t.Fatalf("alice has %v", sessions)
	}
	other, browser, own := sessions[0], sessions[1], sessions[2]
	if browser["SessionType"] != "SSO" {
		browser, own = own, browser
	}
	wantClaims(t, other, map[string]any{"SessionType": "TOKEN", "ClientId": "client1", "IsCurrentSession": false, "OriginSessionId": nil})
	wantClaims(t, browser, map[string]any{"SessionType": "SSO", "ClientId": "client1", "IsCurrentSession": false, "OriginSessionId": nil})
	wantClaims(t, own, map[string]any{"SessionType": "TOKEN", "IsCurrentSession": true, "OriginSessionId": browser["SessionId"]})
	for _, session := range []map[string]any{browser, own} {
		created, _ := session["CreateDate"].(float64)
		if active, _ := session["LastActiveDate"].(float64); active-created < 100 {
			t.Errorf("%v was active long after it was created", session)
		}
	}
	if name, _ := own["SessionId"].(string); len(name) != 28 || name[:3] != "tkn" {
		t.Errorf("a session is called %q", name)
	}

	revoke := func(session map[string]any) answer {
		id, _ := session["SessionId"].(string)
		return p.api("RevokeUserSession", bearerBody(here["access_token"], `,"SessionId":"`+id+`"`), nil)
	}
	revoke(own).wantAPIError(t, http.StatusBadRequest, "InvalidParameterException")
	revoke(other).wantOK(t)
	revoke(other).wantAPIError(t, http.StatusBadRequest, "ResourceNotFoundException")
	p.refresh(phone["RefreshToken"]).wantError(t, http.StatusBadRequest, "invalid_grant")
	p.api("GetUser", bearerBody(phone["AccessToken"], ""), nil).wantAPIError(t, http.StatusBadRequest, "NotAuthorizedException")
	p.refresh(here["refresh_token"]).wantOK(t)
	if left := p.listed("AdminListUserSessions", aliceBody+"}"); len(left) != 2 || left[0]["IsCurrentSession"] != false || left[1]["IsCurrentSession"] != false {
		t.Errorf("left are %v", left)
	}
}

// TestRevokeLinkedSessions: an administrator ends what a browser keeps together with what
// came of it, or the other way round, or one of both alone.
func TestRevokeLinkedSessions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind, linked     string
		tokens, signedIn bool // afterwards
	}{
		{"TOKEN", "", false, true},
		{"TOKEN", `,"RevokeAssociatedSessions":"LINKED"`, false, false},
		{"SSO", `,"RevokeAssociatedSessions":"NONE"`, true, false},
		{"SSO", `,"RevokeAssociatedSessions":"LINKED"`, false, false},
	} {
		p := newParty(t, userpool.Client{}, userpool.Options{MaxSessions: 5})
		browser := p.pool.NewBrowser()
		code := browser.Login(p.authorizeURL(nil), "alice", "wonderland").URL.Query().Get("code")
		tokens := p.post("/oauth2/token", p.codeForm(code)).members
		bystander := p.apiSignIn("alice", "wonderland")
		for _, session := range p.listed("AdminListUserSessions", aliceBody+"}") {
			if session["SessionType"] == test.kind && (test.kind == "SSO" || session["OriginSessionId"] != nil) {
				id, _ := session["SessionId"].(string)
				p.api("AdminRevokeUserSession", aliceBody+`,"SessionId":"`+id+`"`+test.linked+`}`, nil).wantOK(t)
			}
		}
		if got := p.refresh(tokens["refresh_token"]); (got.status == http.StatusOK) != test.tokens {
			t.Errorf("%s%s: a refresh gets %d", test.kind, test.linked, got.status)
		}
		if page := browser.Get(p.authorizeURL(nil)); page.URL.Query().Has("code") != test.signedIn {
			t.Errorf("%s%s: the browser comes to %s", test.kind, test.linked, page.URL)
		}
		p.refresh(bystander["RefreshToken"]).wantOK(t)
	}
}

// TestRevokeAnExpiredSession: what the browser has lost takes nothing along.
func TestRevokeAnExpiredSession(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{MaxSessions: 5})
	tokens := p.tokens(nil)
	var browser string
	for _, session := range p.listed("AdminListUserSessions", aliceBody+"}") {
		if session["SessionType"] == "SSO" {
			browser, _ = session["SessionId"].(string)
		}
	}
	p.pool.Advance(2 * time.Hour)
	p.api("AdminRevokeUserSession", aliceBody+`,"SessionId":"`+browser+`","RevokeAssociatedSessions":"LINKED"}`, nil).
		wantAPIError(t, http.StatusBadRequest, "ResourceNotFoundException")
	p.refresh(tokens["refresh_token"]).wantOK(t)
}

// TestOthersSessions: a user neither sees nor ends what is another's, and no page of
// another site asks as an administrator.
func TestOthersSessions(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{MaxSessions: 5})
	alice, bob := p.apiSignIn("alice", "wonderland"), p.apiSignIn("bob", "builder")
	p.tokens(nil) // in a browser, too
	hers := p.listed("ListUserSessions", bearerBody(alice["AccessToken"], ""))
	if his := p.listed("ListUserSessions", bearerBody(bob["AccessToken"], "")); len(hers) != 3 || len(his) != 1 {
		t.Errorf("alice sees %v, bob sees %v", hers, his)
	}
	var session string
	for _, one := range hers {
		id, _ := one["SessionId"].(string)
		theft := `,"SessionId":"` + id + `"`
		p.api("RevokeUserSession", bearerBody(bob["AccessToken"], theft), nil).wantAPIError(t, http.StatusBadRequest, "ResourceNotFoundException")
		p.api("AdminRevokeUserSession", `{"UserPoolId":"us-east-1_TestPool1","Username":"bob"`+theft+"}", nil).
			wantAPIError(t, http.StatusBadRequest, "ResourceNotFoundException")
		if one["IsCurrentSession"] == true {
			session = theft
		}
	}
	p.api("AdminRevokeUserSession", `{"UserPoolId":"us-east-1_TestPool1","Username":"nobody"`+session+"}", nil).
		wantAPIError(t, http.StatusBadRequest, "UserNotFoundException")
	for _, operation := range []string{"AdminListUserSessions", "AdminRevokeUserSession"} {
		p.api(operation, aliceBody+session+"}", map[string]string{"Origin": "https://evil.example"}).wantAPIError(t, http.StatusForbidden, "ForbiddenException")
	}
	p.api("ListUserSessions", bearerBody("letmein", ""), nil).wantAPIError(t, http.StatusBadRequest, "NotAuthorizedException")
	p.api("AdminRevokeUserSession", aliceBody+session+`,"RevokeAssociatedSessions":"ALL"}`, nil).wantAPIError(t, http.StatusBadRequest, "InvalidParameterException")
	p.refresh(alice["RefreshToken"]).wantOK(t)
	p.api("AdminRevokeUserSession", aliceBody+session+"}", nil).wantOK(t)
	p.refresh(alice["RefreshToken"]).wantError(t, http.StatusBadRequest, "invalid_grant")

	untracked := newParty(t, userpool.Client{}, userpool.Options{})
	untracked.api("AdminListUserSessions", aliceBody+"}", nil).wantAPIError(t, http.StatusBadRequest, "OperationNotEnabledException")
	token := untracked.apiSignIn("alice", "wonderland")["AccessToken"]
	untracked.api("ListUserSessions", bearerBody(token, ""), nil).wantAPIError(t, http.StatusBadRequest, "OperationNotEnabledException")
}

// TestSessionsOutliveTheProcess: the next one knows which came from which.
func TestSessionsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	first := newParty(t, userpool.Client{}, userpool.Options{MaxSessions: 5})
	first.tokens(nil)
	want := first.listed("AdminListUserSessions", aliceBody+"}")
	state, err := first.pool.Save()
	if err != nil {
		t.Fatal(err)
	}
	second := userpool.NewUnstarted(userpool.Options{MaxSessions: 5})
	defer second.Close()
	if err := second.Restore(state); err != nil {
		t.Fatal(err)
	}
	second.Start()
	if got := (&party{t: t, pool: second}).listed("AdminListUserSessions", aliceBody+"}"); len(want) != 2 || !reflect.DeepEqual(got, want) {
		t.Errorf("after a restart the sessions are %v, want %v", got, want)
	}
}

// TestSessionOfTwoTabs: a browser was last active when any of its sign-ins was.
func TestSessionOfTwoTabs(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{MaxSessions: 5})
	b := p.signedIn()
	scope := map[string]string{"scope": selfScope}
	first, second := p.trade(b.Get(p.authorizeURL(scope))), p.trade(b.Get(p.authorizeURL(scope)))
	p.pool.Advance(time.Minute)
	p.refresh(first["refresh_token"]).wantOK(t)
	for _, session := range p.listed("ListUserSessions", bearerBody(second["access_token"], "")) {
		created, _ := session["CreateDate"].(float64)
		active, _ := session["LastActiveDate"].(float64)
		if session["SessionType"] == "SSO" && active-created < 60 {
			t.Errorf("the browser was active %v s after it signed in, want the 60 of its first tab", active-created)
		}
	}
}

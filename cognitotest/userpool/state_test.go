package userpool_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// A pool that goes on where another one has ended.
func ExamplePool_Save() {
	first := userpool.New(userpool.Options{})
	first.SetUser(userpool.User{Username: "carol"})
	state, err := first.Save()
	first.Close()
	if err != nil {
		fmt.Println(err)
		return
	}
	second := userpool.NewUnstarted(userpool.Options{})
	defer second.Close()
	if err := second.Restore(state); err != nil {
		fmt.Println(err)
		return
	}
	second.Start()
	users := second.Users()
	fmt.Println(len(second.Clients()), users[len(users)-1].Username)
	// Output: 1 carol
}

// TestRestoreRefusesTheStateOfAnotherPool: its keys and users would be another's.
func TestRestoreRefusesTheStateOfAnotherPool(t *testing.T) {
	t.Parallel()
	first := userpool.New(userpool.Options{UserPoolID: "us-east-1_First"})
	defer first.Close()
	state, err := first.Save()
	if err != nil {
		t.Fatal(err)
	}
	second := userpool.New(userpool.Options{})
	defer second.Close()
	if err := second.Restore(state); err == nil {
		t.Error("the state of another pool is taken")
	}
}

// TestRestoreConfirmsNobody: who has not confirmed an address, or still has an administrator's
// password, does not get in because the pool was started again, and the code sent before is good.
// Groups without members and the names of clients are there, too.
func TestRestoreConfirmsNobody(t *testing.T) {
	t.Parallel()
	first := newParty(t, userpool.Client{}, userpool.Options{})
	inPool := `{"UserPoolId":"` + first.pool.UserPoolID() + `"`
	first.api("SignUp", `{"ClientId":"client1","Username":"carol","Password":"in the tower"}`, nil).wantOK(t)
	first.api("AdminCreateUser", inPool+`,"Username":"dave","TemporaryPassword":"for one day"}`, nil).wantOK(t)
	first.api("CreateGroup", inPool+`,"GroupName":"staff"}`, nil).wantOK(t)
	first.api("CreateUserPoolClient", inPool+`,"ClientName":"My application"}`, nil).wantOK(t)
	state, err := first.pool.Save()
	if err != nil {
		t.Fatal(err)
	}

	second := newParty(t, userpool.Client{}, userpool.Options{})
	if err := second.pool.Restore(state); err != nil {
		t.Fatal(err)
	}
	signIn := func(username, password string) answer {
		return second.api("InitiateAuth", `{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"client1",`+
			`"AuthParameters":{"USERNAME":"`+username+`","PASSWORD":"`+password+`"}}`, nil)
	}
	signIn("carol", "in the tower").wantAPIError(t, http.StatusBadRequest, "UserNotConfirmedException")
	if got := signIn("dave", "for one day"); got.members["ChallengeName"] != "NEW_PASSWORD_REQUIRED" {
		t.Errorf("dave is answered with %s", got.body)
	}
	second.api("ConfirmSignUp", `{"ClientId":"client1","Username":"carol","ConfirmationCode":"`+
		first.pool.ConfirmationCode("carol")+`"}`, nil).wantOK(t)
	signIn("carol", "in the tower").wantOK(t)
	second.api("AdminAddUserToGroup", inPool+`,"Username":"carol","GroupName":"staff"}`, nil).wantOK(t)
	if got := second.api("ListUserPoolClients", inPool+`}`, nil); !strings.Contains(got.body, "My application") {
		t.Errorf("the clients are %s", got.body)
	}
}

// TestPublicURL: the pool calls itself what it is told, and the front sees requests first.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{
		Addr: "0.0.0.0:0", AnyAddr: true, PublicURL: "http://pool.example:9229",
		Front: func(endpoints http.Handler) http.Handler { return endpoints },
	})
	defer pool.Close()
	if want := "http://pool.example:9229/us-east-1_TestPool1"; pool.Issuer() != want {
		t.Errorf("the issuer is %s, want %s", pool.Issuer(), want)
	}
	for _, options := range []userpool.Options{{Addr: "0.0.0.0:0"}, {PublicURL: "http://a/b"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q, %q: no panic", options.Addr, options.PublicURL)
				}
			}()
			userpool.New(options).Close()
		}()
	}
}

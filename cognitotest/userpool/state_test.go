package userpool_test

import (
	"fmt"
	"net/http"
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

package attacks_test

import (
	"net/http"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
)

// theAPI is what tokens have to be bound to.
const theAPI = "https://api.example.com"

// forAgents lets in clients that nobody knew when the app was deployed.
func forAgents(c *cognito.Config) { c.BearerClientIDs, c.Audience = []string{"*"}, theAPI }

// TestTokenGivenToAnotherClient: a user gives a token to some client of the pool, for
// something else, and the client turns it on this app. Where every client may come, only
// a token that was asked for with this app's name counts, and only an access token.
func TestTokenGivenToAnotherClient(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t, forAgents)
	for name, row := range map[string]struct {
		claims map[string]any
		want   error
	}{
		"for nothing in particular": {map[string]any{"client_id": "agent"}, cognito.ErrTokenAudience},
		"for another API":           {map[string]any{"client_id": "agent", "aud": "https://billing.example.com"}, cognito.ErrTokenAudience},
		"for its client":            {map[string]any{"client_id": "agent", "aud": "agent"}, cognito.ErrTokenAudience},
		"of no client":              {map[string]any{"client_id": nil, "aud": theAPI}, cognito.ErrTokenClient},
		"an ID token":               {map[string]any{"client_id": "agent", "aud": theAPI, "token_use": "id"}, cognito.ErrTokenUse},
		"of another pool":           {map[string]any{"client_id": "agent", "aud": theAPI, "iss": "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_Other"}, cognito.ErrTokenIssuer},
		"of our own client":         {map[string]any{"aud": theAPI}, nil},
		"of an agent":               {map[string]any{"client_id": "agent", "aud": theAPI}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := &lab.Site{T: t, Pool: s.Pool, Auth: s.Auth, URL: s.URL}
			token := s.Pool.AccessToken("", "alice", row.claims)
			lab.MustJudge(t, s.Auth, token, row.want)
			if row.want == nil {
				mustAdmit(s, "alice", token)
			} else if res := s.Bring("/me", token); res.StatusCode != http.StatusUnauthorized {
				t.Errorf("got %s", lab.StatusLine(res))
			}
		})
	}
}

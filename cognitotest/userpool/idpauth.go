package userpool

import (
	"cmp"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// Signing in by the API: with a password, or with a proof of it by SRP, and the new
// password of who has got one from an administrator.

// challengeTTL is how long a client may take to answer a challenge.
const challengeTTL = 3 * time.Minute

// newPassword is a login that waits for one.
type newPassword struct {
	clientID, username string
	expires            time.Time
}

// authRequest is what InitiateAuth and AdminInitiateAuth read.
type authRequest struct {
	ofPool
	AuthFlow, ClientID string
	AuthParameters     map[string]string
}

// missing is the error for a parameter that a flow needs.
func missing(name string) error {
	return refused("InvalidParameterException", "Missing required parameter "+name)
}

func wrongPassword() error {
	return refused("NotAuthorizedException", "Incorrect username or password.")
}

func (p *Pool) initiateAuth(in authRequest) (any, error) {
	if strings.HasPrefix(in.AuthFlow, "ADMIN_") {
		return nil, refused("InvalidParameterException", "Initiate Auth method not supported.")
	}
	return p.startAuth(in)
}

func (p *Pool) adminInitiateAuth(in authRequest) (any, error) {
	if in.AuthFlow == "USER_PASSWORD_AUTH" {
		return nil, refused("InvalidParameterException", "Initiate Auth method not supported.")
	}
	return p.startAuth(in)
}

// startAuth begins a login by any flow.
func (p *Pool) startAuth(in authRequest) (any, error) {
	client, err := p.idpClient(in.ClientID)
	if err != nil {
		return nil, err
	}
	switch in.AuthFlow {
	case "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN":
		return p.refreshAuth(client, in.AuthParameters)
	case "USER_PASSWORD_AUTH", "ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH", "USER_SRP_AUTH":
	default:
		return nil, refused("InvalidParameterException", "Initiate Auth method not supported.")
	}
	username := in.AuthParameters["USERNAME"]
	if username == "" {
		return nil, missing("USERNAME")
	}
	if err := checkSecretHash(client, in.AuthParameters["SECRET_HASH"], username); err != nil {
		return nil, err
	}
	if in.AuthFlow == "USER_SRP_AUTH" {
		return p.challengeSRP(client, username, in.AuthParameters["SRP_A"])
	}
	password := in.AuthParameters["PASSWORD"]
	if password == "" {
		return nil, missing("PASSWORD")
	}
	user, ok := p.anyUser(username)
	if !ok || p.isFederated(user.Username) || subtle.ConstantTimeCompare([]byte(user.Password), []byte(password)) != 1 {
		return nil, wrongPassword()
	}
	return p.admit(client, user)
}

// idpClient finds a client of the API.
func (p *Pool) idpClient(id string) (Client, error) {
	if id == "" {
		return Client{}, refused("InvalidParameterException", "Missing required parameter ClientId")
	}
	client, ok := p.client(id)
	if !ok {
		return Client{}, refused("ResourceNotFoundException", "User pool client "+id+" does not exist.")
	}
	return client, nil
}

// checkSecretHash checks what a confidential client sends instead of its secret. Names
// are those under which the user may be known.
func checkSecretHash(client Client, hash string, names ...string) error {
	if client.Secret == "" {
		if hash != "" {
			return refused("NotAuthorizedException", "Client "+client.ID+" is not configured with secret but SECRET_HASH was received")
		}
		return nil
	}
	if hash == "" {
		return refused("NotAuthorizedException", "Client "+client.ID+" is configured with secret but SECRET_HASH was not received")
	}
	for _, secret := range []string{client.Secret, client.SecondSecret} {
		for _, name := range names {
			want := base64.StdEncoding.EncodeToString(mac([]byte(secret), []byte(name+client.ID)))
			if secret != "" && same(hash, want) {
				return nil
			}
		}
	}
	return refused("NotAuthorizedException", "Unable to verify secret hash for client "+client.ID)
}

// challengeSRP answers the first message of SRP, in the same way for a name that
// nobody has.
func (p *Pool) challengeSRP(client Client, username, rawA string) (any, error) {
	if rawA == "" {
		return nil, missing("SRP_A")
	}
	user, known := p.anyUser(username)
	if known = known && !p.isFederated(user.Username); !known {
		user = User{Username: username, Password: randomText(16)}
	}
	attempt := &srpAttempt{
		clientID: client.ID, username: user.Username, known: known, expires: p.Now().Add(challengeTTL),
	}
	salt := p.srpSalt(user.Username)
	if !p.startSRP(attempt, rawA, user.Password, salt) {
		return nil, refused("InvalidParameterException", "SRP_A is not a number of the group")
	}
	block := base64.StdEncoding.EncodeToString([]byte(randomText(96)))
	now := p.Now()
	p.mu.Lock()
	dropExpired(p.idp.srp, func(a *srpAttempt) bool { return !now.Before(a.expires) })
	p.idp.srp[block] = attempt
	p.mu.Unlock()
	return map[string]any{
		"ChallengeName": "PASSWORD_VERIFIER",
		"ChallengeParameters": map[string]string{
			"SALT": hexOf(salt), "SRP_B": hexOf(attempt.serversB), "SECRET_BLOCK": block,
			"USERNAME": user.Username, "USER_ID_FOR_SRP": user.Username,
		},
	}, nil
}

// answerRequest is what RespondToAuthChallenge reads.
type answerRequest struct {
	ChallengeName, ClientID, Session string
	ChallengeResponses               map[string]string
}

func (p *Pool) respond(in answerRequest) (any, error) {
	client, err := p.idpClient(in.ClientID)
	if err != nil {
		return nil, err
	}
	username := in.ChallengeResponses["USERNAME"]
	if username == "" {
		return nil, missing("USERNAME")
	}
	if err := checkSecretHash(client, in.ChallengeResponses["SECRET_HASH"], username); err != nil {
		return nil, err
	}
	switch in.ChallengeName {
	case "PASSWORD_VERIFIER":
		return p.verifySRP(client, in.ChallengeResponses)
	case "NEW_PASSWORD_REQUIRED":
		return p.takeNewPassword(client, in)
	default:
		return nil, refused("InvalidParameterException", "the pool does not give this challenge")
	}
}

// verifySRP checks the second message of SRP. An attempt is gone after one try, so
// that nobody guesses on against the same numbers.
func (p *Pool) verifySRP(client Client, responses map[string]string) (any, error) {
	block := responses["PASSWORD_CLAIM_SECRET_BLOCK"]
	p.mu.Lock()
	attempt, ok := p.idp.srp[block]
	delete(p.idp.srp, block)
	p.mu.Unlock()
	if !ok || attempt.clientID != client.ID || !p.Now().Before(attempt.expires) ||
		p.fold(responses["USERNAME"]) != p.fold(attempt.username) || !p.srpMatches(attempt, responses) {
		return nil, wrongPassword()
	}
	user, ok := p.anyUser(attempt.username)
	if !ok {
		return nil, wrongPassword()
	}
	return p.admit(client, user)
}

// admit lets in a user whose password was right, unless something else keeps them out.
// Only who knows the password learns what.
func (p *Pool) admit(client Client, user User) (any, error) {
	if user.Disabled {
		return nil, refused("NotAuthorizedException", "User is disabled.")
	}
	if failure := p.takeFailure(); failure != nil {
		return nil, refused("UserLambdaValidationException", cmp.Or(failure.description, failure.code))
	}
	switch p.accountOf(user.Username).status {
	case statusUnconfirmed:
		return nil, refused("UserNotConfirmedException", "User is not confirmed.")
	case statusForceChange:
		return p.askNewPassword(client, user)
	}
	return p.signInByAPI(client, user), nil
}

// askNewPassword asks for a password instead of the administrator's.
func (p *Pool) askNewPassword(client Client, user User) (any, error) {
	attributes, err := json.Marshal(attributesOf(user))
	if err != nil {
		return nil, err
	}
	id, now := randomText(64), p.Now()
	p.mu.Lock()
	dropExpired(p.idp.newPasswords, func(c newPassword) bool { return !now.Before(c.expires) })
	p.idp.newPasswords[id] = newPassword{client.ID, user.Username, now.Add(challengeTTL)}
	p.mu.Unlock()
	return map[string]any{
		"ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": id,
		"ChallengeParameters": map[string]string{
			"USER_ID_FOR_SRP": user.Username, "requiredAttributes": "[]", "userAttributes": string(attributes),
		},
	}, nil
}

// takeNewPassword ends a login with the user's own password.
func (p *Pool) takeNewPassword(client Client, in answerRequest) (any, error) {
	password := in.ChallengeResponses["NEW_PASSWORD"]
	if err := checkNewPassword(password); err != nil {
		return nil, err
	}
	var chosen []attribute
	for name, value := range in.ChallengeResponses {
		if name, ok := strings.CutPrefix(name, "userAttributes."); ok {
			chosen = append(chosen, attribute{name, value})
		}
	}
	p.mu.Lock()
	waiting, ok := p.idp.newPasswords[in.Session]
	delete(p.idp.newPasswords, in.Session)
	p.mu.Unlock()
	if !ok || waiting.clientID != client.ID || !p.Now().Before(waiting.expires) ||
		p.fold(in.ChallengeResponses["USERNAME"]) != p.fold(waiting.username) {
		return nil, refused("NotAuthorizedException", "Invalid session for the user.")
	}
	if err := checkAttributes(chosen); err != nil {
		return nil, err
	}
	user, err := p.change(waiting.username, statusConfirmed, func(u *User) {
		u.Password = password
		apply(u, chosen)
	})
	if err != nil {
		return nil, err
	}
	if user.Disabled {
		return nil, refused("NotAuthorizedException", "User is disabled.")
	}
	return p.signInByAPI(client, user), nil
}

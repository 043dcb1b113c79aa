package userpool

import (
	"cmp"
	"time"
)

// What only the API knows of a user: whether they have confirmed their address, and
// whether the password is their own.

// The states of an account.
const (
	statusConfirmed   = "CONFIRMED"
	statusUnconfirmed = "UNCONFIRMED"
	statusForceChange = "FORCE_CHANGE_PASSWORD"
)

// account is what stands beside a User.
type account struct {
	status            string
	code              string // of ConfirmSignUp
	created, modified time.Time
}

// idpState is what only the API needs. It is guarded by the pool's mu.
type idpState struct {
	saltKey      string // never changes
	accounts     map[string]account
	srp          map[string]*srpAttempt // by secret block
	newPasswords map[string]newPassword // by session
	groups       []string               // of CreateGroup
	clientNames  map[string]string      // by client id
	domains      []string
	poolName     string // of CreateUserPool
}

func newIDPState() idpState {
	return idpState{
		saltKey: randomText(32), accounts: map[string]account{}, srp: map[string]*srpAttempt{},
		newPasswords: map[string]newPassword{}, clientNames: map[string]string{},
	}
}

// accountOf returns a user's account.
func (p *Pool) accountOf(username string) account {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idp.accounts[p.fold(username)]
}

// setAccount notes a state. The caller holds mu.
func (p *Pool) setAccount(username, status string) {
	key, now := p.fold(username), p.Now()
	kept := p.idp.accounts[key]
	if kept.created.IsZero() {
		kept.created = now
	}
	kept.status, kept.modified = cmp.Or(status, kept.status), now
	p.idp.accounts[key] = kept
}

// ConfirmationCode returns the code that Cognito would have sent to a user who has
// signed up with the API, or "" if there is none.
func (p *Pool) ConfirmationCode(username string) string { return p.accountOf(username).code }

type signUpRequest struct {
	ClientID, Username, Password, SecretHash, ConfirmationCode string
	UserAttributes                                             []attribute
}

func (p *Pool) signUp(in signUpRequest) (any, error) {
	client, err := p.idpClient(in.ClientID)
	if err != nil {
		return nil, err
	}
	if in.Username == "" {
		return nil, missing("Username")
	}
	if err := checkSecretHash(client, in.SecretHash, in.Username); err != nil {
		return nil, err
	}
	if err := checkNewPassword(in.Password); err != nil {
		return nil, err
	}
	for _, a := range in.UserAttributes {
		if isFlag(a.Name) {
			return nil, refused("NotAuthorizedException", "A client attempted to write unauthorized attribute")
		}
	}
	user, err := p.addUser(in.Username, in.Password, in.UserAttributes, statusUnconfirmed)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"UserConfirmed": false, "UserSub": user.Subject}
	if user.Email != "" {
		answer["CodeDeliveryDetails"] = map[string]string{
			"AttributeName": "email", "DeliveryMedium": "EMAIL", "Destination": user.Email[:1] + "***@***",
		}
	}
	return answer, nil
}

// addUser registers somebody new, who has a subject of their own: tokens of an earlier
// user of the same name are not theirs.
func (p *Pool) addUser(username, password string, attributes []attribute, status string) (User, error) {
	if err := checkAttributes(attributes); err != nil {
		return User{}, err
	}
	user := User{Username: username, Password: password, Subject: newUUID(), Attributes: map[string]string{}}
	apply(&user, attributes)
	code := newConfirmationCode()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, taken := p.findLocked(username); taken {
		return User{}, refused("UsernameExistsException", "User already exists")
	}
	p.users.set(p.fold(username), user)
	p.setAccount(username, status)
	if status == statusUnconfirmed {
		kept := p.idp.accounts[p.fold(username)]
		kept.code = code
		p.idp.accounts[p.fold(username)] = kept
	}
	return user, nil
}

func (p *Pool) confirmSignUp(in signUpRequest) (any, error) {
	client, err := p.idpClient(in.ClientID)
	if err != nil {
		return nil, err
	}
	if err := checkSecretHash(client, in.SecretHash, in.Username); err != nil {
		return nil, err
	}
	user, ok := p.anyUser(in.Username)
	kept := p.accountOf(user.Username)
	switch {
	case ok && kept.status != statusUnconfirmed:
		return nil, refused("NotAuthorizedException", "User cannot be confirmed. Current status is "+kept.status)
	case !ok || kept.code == "" || !same(in.ConfirmationCode, kept.code):
		return nil, refused("CodeMismatchException", "Invalid verification code provided, please try again.")
	}
	_, err = p.confirm(user.Username, true)
	return none{}, err
}

// confirm ends a sign-up. A code that came by e-mail proves the address as well.
func (p *Pool) confirm(username string, byCode bool) (User, error) {
	user, err := p.change(username, statusConfirmed, func(u *User) {
		u.EmailVerified = u.EmailVerified || byCode && u.Email != ""
	})
	if err != nil {
		return User{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// By the user's own name: username may be their e-mail address.
	kept := p.idp.accounts[p.fold(user.Username)]
	kept.code = ""
	p.idp.accounts[p.fold(user.Username)] = kept
	return user, nil
}

// checkNewPassword is the shortest policy that a pool can have.
func checkNewPassword(password string) error {
	if len(password) < 6 {
		return refused("InvalidPasswordException", "Password did not conform with policy: Password not long enough")
	}
	return nil
}

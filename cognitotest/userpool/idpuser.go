package userpool

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Users as administrators see them by the API.

// attribute is a user's, as the API writes it.
type attribute struct{ Name, Value string }

// attributeName is the pattern of the API.
var attributeName = regexp.MustCompile(`^[\p{L}\p{M}\p{S}\p{N}\p{P}]{1,32}$`)

// checkAttributes refuses what nobody can set.
func checkAttributes(attributes []attribute) error {
	for _, a := range attributes {
		if a.Name == "sub" || !attributeName.MatchString(a.Name) {
			return refused("InvalidParameterException", "Cannot modify attribute "+strconv.Quote(a.Name))
		}
	}
	return nil
}

// apply sets attributes of a user. An address that has changed is unverified, unless
// the same request says otherwise; "" removes an attribute.
func apply(u *User, attributes []attribute) {
	u.Attributes = maps.Clone(u.Attributes)
	for _, a := range attributes {
		if a.Name == "email" && a.Value != u.Email {
			u.Email, u.EmailVerified = a.Value, false
		}
	}
	for _, a := range attributes {
		switch {
		case a.Name == "email":
		case a.Name == "email_verified":
			u.EmailVerified = strings.EqualFold(a.Value, "true")
		case a.Name == "name":
			u.Name = a.Value
		case a.Value == "":
			delete(u.Attributes, a.Name)
		default:
			u.Attributes[a.Name] = a.Value
		}
	}
}

// apiAttributes are a user's attributes in the API's form, sub first.
func (p *Pool) apiAttributes(user User) []attribute {
	all := attributesOf(user)
	if identities := p.identitiesText(user.Username); identities != "" {
		all["identities"] = identities
	}
	list := []attribute{{"sub", user.Subject}}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, attribute{name, all[name]})
	}
	return list
}

// findLocked finds a user by name, subject or e-mail address. The caller holds mu.
func (p *Pool) findLocked(name string) (User, bool) {
	if user, ok := p.users.byName[p.fold(name)]; ok {
		return user, true
	}
	for _, key := range p.users.names {
		user := p.users.byName[key]
		_, federated := p.federation.identities[key] // whose addresses sign nobody in here
		if name != "" && (user.Subject == name || !federated && p.fold(user.Email) == p.fold(name)) {
			return user, true
		}
	}
	return User{}, false
}

// anyUser is findLocked for those who do not hold mu. The user may be disabled.
func (p *Pool) anyUser(name string) (User, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.findLocked(name)
}

// named finds a user by name alone, disabled or not.
func (p *Pool) named(username string) (User, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	user, ok := p.users.byName[p.fold(username)]
	return user, ok
}

// change changes a user, and their state unless status is "".
func (p *Pool) change(name, status string, edit func(*User)) (User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	user, ok := p.findLocked(name)
	if !ok {
		return User{}, refused("UserNotFoundException", "User does not exist.")
	}
	edit(&user)
	p.users.set(p.fold(user.Username), user)
	p.setAccount(user.Username, status)
	return user, nil
}

// apiUser is a user in the API's form; the attributes have one of two names.
func (p *Pool) apiUser(user User, attributes string) map[string]any {
	kept := p.accountOf(user.Username)
	if p.isFederated(user.Username) {
		kept.status = statusExternal
	}
	return map[string]any{
		"Username": user.Username, "Enabled": !user.Disabled, "UserStatus": kept.status,
		"UserCreateDate": apiTime(kept.created), "UserLastModifiedDate": apiTime(kept.modified),
		attributes: p.apiAttributes(user),
	}
}

// apiTime is a time in the API's form: seconds with a fraction.
func apiTime(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// userRequest is what operations on one user read.
type userRequest struct {
	ofPool
	Username, Password, TemporaryPassword, GroupName string
	Permanent                                        bool
	UserAttributes                                   []attribute
}

func (p *Pool) adminCreateUser(in userRequest) (any, error) {
	if in.Username == "" {
		return nil, missing("Username")
	}
	password := cmp.Or(in.TemporaryPassword, randomText(12))
	if err := checkNewPassword(password); err != nil {
		return nil, err
	}
	user, err := p.addUser(in.Username, password, in.UserAttributes, statusForceChange)
	if err != nil {
		return nil, err
	}
	return map[string]any{"User": p.apiUser(user, "Attributes")}, nil
}

func (p *Pool) adminConfirm(in userRequest) (any, error) {
	user, ok := p.anyUser(in.Username)
	if status := p.accountOf(user.Username).status; ok && status != statusUnconfirmed {
		return nil, refused("NotAuthorizedException", "User cannot be confirmed. Current status is "+status)
	}
	_, err := p.confirm(in.Username, false)
	return none{}, err
}

func (p *Pool) adminSetPassword(in userRequest) (any, error) {
	if err := checkNewPassword(in.Password); err != nil {
		return nil, err
	}
	status := statusForceChange
	if in.Permanent {
		status = statusConfirmed
	}
	_, err := p.change(in.Username, status, func(u *User) { u.Password = in.Password })
	return none{}, err
}

func (p *Pool) adminGetUser(in userRequest) (any, error) {
	user, ok := p.anyUser(in.Username)
	if !ok {
		return nil, refused("UserNotFoundException", "User does not exist.")
	}
	return p.apiUser(user, "UserAttributes"), nil
}

func (p *Pool) adminDeleteUser(in userRequest) (any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	user, ok := p.findLocked(in.Username)
	if !ok {
		return nil, refused("UserNotFoundException", "User does not exist.")
	}
	name := p.fold(user.Username)
	p.forget(name)
	// Whoever gets the name next must not inherit the logins, nor those that are under way or
	// that a browser keeps.
	p.revokeAll(name)
	maps.DeleteFunc(p.codes, func(_ string, g grant) bool { return p.fold(g.username) == name })
	maps.DeleteFunc(p.sessions, func(_ string, s session) bool { return p.fold(s.username) == name })
	return none{}, nil
}

func (p *Pool) adminEnable(enabled bool) func(userRequest) (any, error) {
	return func(in userRequest) (any, error) {
		_, err := p.change(in.Username, "", func(u *User) { u.Disabled = !enabled })
		return none{}, err
	}
}

func (p *Pool) adminUpdateAttributes(in userRequest) (any, error) {
	if err := checkAttributes(in.UserAttributes); err != nil {
		return nil, err
	}
	_, err := p.change(in.Username, "", func(u *User) { apply(u, in.UserAttributes) })
	return none{}, err
}

func (p *Pool) adminSignOut(in userRequest) (any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	user, ok := p.findLocked(in.Username)
	if !ok {
		return nil, refused("UserNotFoundException", "User does not exist.")
	}
	p.revokeAll(user.Username)
	return none{}, nil
}

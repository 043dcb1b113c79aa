package userpool

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"
)

// What a pool can take with it into the next process, so that applications keep
// verifying its tokens and their users stay signed in.

// savedPool is the form in which a pool is kept. Codes, open forms, faults and what was
// asked are left out: they are over in minutes.
type savedPool struct {
	PoolID   string
	Offset   time.Duration
	Keys     map[string]savedKey // by token use
	OldKeys  []savedKey
	Users    []User
	Clients  []Client
	Families []savedFamily
	Sessions map[string]savedSession

	Providers  []Provider
	Identities map[string]identity // by username

	API savedAPI
}

// savedAPI is what only the API cognito-idp has set.
type savedAPI struct {
	PoolName    string
	Accounts    map[string]savedAccount // by username
	Groups      []string
	ClientNames map[string]string // by client id
	Domains     []string
}

type savedAccount struct {
	Status, Code      string
	Created, Modified time.Time
}

type savedKey struct {
	KeyID string
	PKCS8 []byte
}

type savedFamily struct {
	ClientID, Username string
	Scopes             []string
	Nonce, Resource    string
	AuthTime           time.Time
	Level              int
	Provider           string
	OriginJTI, Browser string
	Expires, Used      time.Time
	Created            time.Time
	Revoked            bool
	Newest             string // ticket id, or ""
	Tickets            map[string]savedTicket
}

type savedTicket struct {
	Original, Retired bool
	UsableUntil       time.Time
}

type savedSession struct {
	Username, ClientID, Provider string
	Level                        int
	AuthTime, Expires            time.Time
}

// Save returns what [Pool.Restore] needs: users and the states of their accounts, groups,
// clients, identity providers, the clock, signing keys, and the sign-ins that can still be
// refreshed. It contains passwords, and anybody who has it can sign tokens as the pool.
func (p *Pool) Save() ([]byte, error) {
	users, clients, providers, now := p.Users(), p.Clients(), p.Providers(), p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	saved := savedPool{
		PoolID: p.id, Offset: time.Duration(p.offset.Load()), Users: users, Clients: clients,
		Providers: providers, Identities: p.federation.identities,
		Keys: map[string]savedKey{}, Sessions: map[string]savedSession{}, Families: p.savedFamilies(now), API: p.savedAPI(),
	}
	for use, key := range p.keys.current {
		kept, err := saveKey(key)
		if err != nil {
			return nil, err
		}
		saved.Keys[use] = kept
	}
	for _, key := range p.keys.old {
		kept, err := saveKey(key)
		if err != nil {
			return nil, err
		}
		saved.OldKeys = append(saved.OldKeys, kept)
	}
	for id, s := range p.sessions {
		if now.Before(s.expires) {
			saved.Sessions[id] = savedSession{s.username, s.clientID, s.provider, s.level, s.authTime, s.expires}
		}
	}
	return json.Marshal(saved)
}

// savedAPI is what Save takes of the API's own. The caller holds mu.
func (p *Pool) savedAPI() savedAPI {
	saved := savedAPI{
		PoolName: p.idp.poolName, Accounts: map[string]savedAccount{},
		Groups: p.idp.groups, ClientNames: p.idp.clientNames, Domains: p.idp.domains,
	}
	for name, kept := range p.idp.accounts {
		saved.Accounts[name] = savedAccount{kept.status, kept.code, kept.created, kept.modified}
	}
	return saved
}

func saveKey(key signingKey) (savedKey, error) {
	raw, err := x509.MarshalPKCS8PrivateKey(key.PrivateKey)
	return savedKey{key.kid, raw}, err
}

// savedFamilies are the sign-ins that are not over. Revoked ones stay, or their
// access tokens would be good again at userInfo. The caller holds mu.
func (p *Pool) savedFamilies(now time.Time) []savedFamily {
	tickets := map[*family]map[string]savedTicket{}
	newest := map[*family]string{}
	for id, t := range p.tickets {
		name := hex.EncodeToString(id[:])
		if tickets[t.family] == nil {
			tickets[t.family] = map[string]savedTicket{}
		}
		tickets[t.family][name] = savedTicket{t.original, t.retired, t.usableUntil}
		if t == t.family.newest {
			newest[t.family] = name
		}
	}
	var saved []savedFamily
	for _, f := range p.families {
		if !now.Before(f.expires) {
			continue
		}
		saved = append(saved, savedFamily{
			ClientID: f.clientID, Username: f.username, Scopes: f.scopes, Nonce: f.nonce, Resource: f.resource,
			AuthTime: f.authTime, Level: f.level, Provider: f.provider, OriginJTI: f.originJTI, Browser: f.browser, Created: f.created, Expires: f.expires, Used: f.used, Revoked: f.revoked,
			Newest: newest[f], Tickets: tickets[f],
		})
	}
	return saved
}

// Restore loads what [Pool.Save] has returned, for a pool with the same ID. It does not
// change users and clients that the pool already has. Call it before [Pool.Start].
func (p *Pool) Restore(text []byte) error {
	var saved savedPool
	if err := json.Unmarshal(text, &saved); err != nil {
		return fmt.Errorf("userpool: the saved state cannot be read: %w", err)
	}
	if saved.PoolID != p.id {
		return fmt.Errorf("userpool: the saved state belongs to the pool %q, not to %q", saved.PoolID, p.id)
	}
	keys, err := restoreKeys(saved)
	if err != nil {
		return err
	}
	for _, user := range saved.Users {
		if !p.hasUser(user.Username) {
			p.SetUser(user)
			p.restoreAccount(user.Username, saved.API)
		}
	}
	for _, client := range saved.Clients {
		if _, known := p.client(client.ID); !known {
			p.SetClient(client)
		}
	}
	p.restoreFederation(saved)
	p.offset.Store(int64(saved.Offset))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = keys
	return p.restoreRest(saved)
}

// restoreRest takes up what the API has set, and the sign-ins. The caller holds mu.
func (p *Pool) restoreRest(saved savedPool) error {
	p.idp.poolName, p.idp.groups, p.idp.domains = saved.API.PoolName, saved.API.Groups, saved.API.Domains
	maps.Copy(p.idp.clientNames, saved.API.ClientNames)
	for _, s := range saved.Families {
		if err := p.restoreFamily(s); err != nil {
			return err
		}
	}
	for id, s := range saved.Sessions {
		p.sessions[id] = session{
			username: s.Username, name: sessionName(sessionOfBrowser, id), clientID: s.ClientID,
			provider: s.Provider, level: s.Level, authTime: s.AuthTime, expires: s.Expires,
		}
	}
	return nil
}

// restoreFederation takes up providers, and who has signed in by them.
func (p *Pool) restoreFederation(saved savedPool) {
	for _, provider := range saved.Providers {
		if _, known := p.provider(provider.Name); !known {
			p.SetProvider(provider)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, identity := range saved.Identities {
		p.federation.identities[key] = identity
	}
}

// restoreAccount takes up the state of a user's account, without which somebody who has not
// confirmed the address could sign in after a restart. States that were saved before accounts
// were have none.
func (p *Pool) restoreAccount(username string, saved savedAPI) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if kept, ok := saved.Accounts[p.fold(username)]; ok {
		p.idp.accounts[p.fold(username)] = account{kept.Status, kept.Code, kept.Created, kept.Modified}
	}
}

func (p *Pool) hasUser(username string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.users.byName[p.fold(username)]
	return known
}

// restoreFamily takes up one sign-in. The caller holds mu.
func (p *Pool) restoreFamily(s savedFamily) error {
	f := &family{
		grant: grant{
			clientID: s.ClientID, username: s.Username, scopes: s.Scopes, nonce: s.Nonce, resource: s.Resource,
			authTime: s.AuthTime, level: s.Level, provider: s.Provider, originJTI: s.OriginJTI, browser: s.Browser,
		},
		expires: s.Expires, created: s.Created, used: s.Used, revoked: s.Revoked,
	}
	p.families[s.OriginJTI] = f
	for name, t := range s.Tickets {
		raw, err := hex.DecodeString(name)
		if err != nil || len(raw) != len(ticketID{}) {
			return fmt.Errorf("userpool: the saved state has a refresh token called %q", name)
		}
		restored := &ticket{family: f, original: t.Original, retired: t.Retired, usableUntil: t.UsableUntil}
		p.tickets[ticketID(raw)] = restored
		if name == s.Newest {
			f.newest = restored
		}
	}
	return nil
}

// restoreKeys reads the keys of a saved state, which has both or is none.
func restoreKeys(saved savedPool) (keyring, error) {
	ring := keyring{current: map[string]signingKey{}}
	for _, use := range []string{useID, useAccess} {
		key, err := restoreKey(saved.Keys[use])
		if err != nil {
			return keyring{}, err
		}
		ring.current[use] = key
	}
	for _, old := range saved.OldKeys {
		key, err := restoreKey(old)
		if err != nil {
			return keyring{}, err
		}
		ring.old = append(ring.old, key)
	}
	return ring, nil
}

func restoreKey(saved savedKey) (signingKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(saved.PKCS8)
	if err != nil {
		return signingKey{}, fmt.Errorf("userpool: the saved state has no usable key: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return signingKey{}, errors.New("userpool: the saved state has a key that is not RSA")
	}
	return signingKey{saved.KeyID, key}, nil
}

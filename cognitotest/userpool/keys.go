package userpool

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
)

// The pool's keys. A Cognito pool has two, one for each kind of token, which reveals
// applications that expect only one key. And it may rotate them, which reveals
// applications that never fetch the keys again.

// The two kinds of token, as their token_use claim names them.
const (
	useID     = "id"
	useAccess = "access"
)

// signingKey is a key with the name under which it is published.
type signingKey struct {
	kid string
	*rsa.PrivateKey
}

// keyring holds the keys in use, one for each kind of token as in a real pool,
// and those that are only published still.
type keyring struct {
	current map[string]signingKey // by token use
	old     []signingKey
}

// firstKeys are the keys every pool of the process starts with. Making RSA keys
// takes seconds under the race detector, far too long for each small test.
var firstKeys = sync.OnceValue(makeKeyPair)

// makeKeyPair makes one key for each kind of token, both at a time.
func makeKeyPair() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	var making sync.WaitGroup
	for i := range keys {
		making.Go(func() {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				panic("userpool: cannot make an RSA key: " + err.Error())
			}
			keys[i] = key
		})
	}
	making.Wait()
	return keys
}

func newKeyring() keyring {
	return keyring{current: named(firstKeys())}
}

// named gives keys fresh kids: pools of one process share keys but no kid.
func named(keys [2]*rsa.PrivateKey) map[string]signingKey {
	return map[string]signingKey{
		useID:     {newKeyID(), keys[0]},
		useAccess: {newKeyID(), keys[1]},
	}
}

// newKeyID makes a kid like a pool's: plain base64, and here always with the
// three characters that trip code which takes it for base64url or for a path.
func newKeyID() string {
	for {
		b := make([]byte, 32)
		_, _ = rand.Read(b) // crypto/rand.Read never fails
		kid := base64.StdEncoding.EncodeToString(b)
		if strings.Contains(kid, "+") && strings.Contains(kid, "/") {
			return kid
		}
	}
}

// RotateKeys creates new signing keys for all tokens from now on. The old keys stay
// published until [Pool.DropOldKeys], so a well-written application notices nothing.
// Creating two RSA keys can take some seconds under the race detector.
func (p *Pool) RotateKeys() {
	// Made without the lock, lest the pool stand still meanwhile.
	fresh := named(makeKeyPair())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys.old = append(p.keys.old, p.keys.current[useID], p.keys.current[useAccess])
	p.keys.current = fresh
}

// DropOldKeys stops publishing all keys except the current two. An application that
// then fetches the keys refuses tokens that an old key has signed.
func (p *Pool) DropOldKeys() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys.old = nil
}

// SigningKey returns the key that signs tokens of the given use, "id" or
// "access", so that a test can sign what the pool never would.
//
// Pools of one process share their first keys. For a key that is not this pool's,
// create one, or call RotateKeys on the other pool first.
func (p *Pool) SigningKey(use string) *rsa.PrivateKey {
	return p.signingKey(use).PrivateKey
}

func (p *Pool) signingKey(use string) signingKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, ok := p.keys.current[use]
	if !ok {
		panic(fmt.Sprintf("userpool: no key signs tokens of use %q: want id or access", use))
	}
	return key
}

// publishedKeys returns what jwks.json shows: the current keys, then the old.
func (p *Pool) publishedKeys() []signingKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	keys := []signingKey{p.keys.current[useID], p.keys.current[useAccess]}
	return append(keys, p.keys.old...)
}

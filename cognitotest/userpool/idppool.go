package userpool

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// The pool and its domain in the API. There is one local pool: creating a pool returns
// this one, and creating a second one is an error.

type poolRequest struct {
	ofPool
	PoolName, Domain string
	MaxResults       int
}

func (p *Pool) createUserPool(in poolRequest) (any, error) {
	if in.PoolName == "" {
		return nil, missing("PoolName")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idp.poolName != "" && p.idp.poolName != in.PoolName {
		return nil, refused("LimitExceededException", "there is one pool here, and it is called "+p.idp.poolName)
	}
	p.idp.poolName = in.PoolName
	return map[string]any{"UserPool": p.apiPool()}, nil
}

// apiPool is the pool in the API's form. The caller holds mu.
func (p *Pool) apiPool() map[string]any {
	return map[string]any{
		"Id": p.id, "Name": cmp.Or(p.idp.poolName, p.name), "Domain": p.ownDomain(),
		"EstimatedNumberOfUsers":      len(p.users.names),
		"UsernameConfiguration":       map[string]bool{"CaseSensitive": p.caseSensitive},
		"MfaConfiguration":            "OFF",
		"AliasAttributes":             []string{"email"},
		"AutoVerifiedAttributes":      []string{"email"},
		"AdminCreateUserConfig":       map[string]bool{"AllowAdminCreateUserOnly": false},
		"DeletionProtection":          "INACTIVE",
		"Policies":                    map[string]any{"PasswordPolicy": map[string]int{"MinimumLength": 6}},
		"UserAttributeUpdateSettings": none{},
	}
}

// ownDomain is the host at which the pool's pages are.
func (p *Pool) ownDomain() string { return p.listener.Addr().String() }

func (p *Pool) listUserPools(poolRequest) (any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return map[string]any{"UserPools": []map[string]string{{
		"Id": p.id, "Name": cmp.Or(p.idp.poolName, p.name),
	}}}, nil
}

func (p *Pool) describeUserPool(poolRequest) (any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return map[string]any{"UserPool": p.apiPool()}, nil
}

// createDomain takes a name down. The pages stay where they are.
func (p *Pool) createDomain(in poolRequest) (any, error) {
	if in.Domain == "" {
		return nil, missing("Domain")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.idp.domains, in.Domain) {
		p.idp.domains = append(p.idp.domains, in.Domain)
	}
	return map[string]any{"ManagedLoginVersion": p.loginVersion()}, nil
}

func (p *Pool) loginVersion() int {
	if p.classic {
		return 1
	}
	return 2
}

// describeDomain answers with nothing, and no error, for a domain that nobody has.
func (p *Pool) describeDomain(in poolRequest) (any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if in.Domain != p.ownDomain() && !slices.Contains(p.idp.domains, in.Domain) {
		return map[string]any{"DomainDescription": none{}}, nil
	}
	return map[string]any{"DomainDescription": map[string]any{
		"Domain": in.Domain, "UserPoolId": p.id, "Status": "ACTIVE", "ManagedLoginVersion": p.loginVersion(),
	}}, nil
}

// checkURLs refuses URLs that could never match.
func checkURLs(urls []string) error {
	for _, raw := range urls {
		if u, err := url.Parse(raw); err != nil || !u.IsAbs() || strings.Contains(raw, "#") {
			return refused("InvalidParameterException", raw+" is not an absolute URL without fragment")
		}
	}
	return nil
}

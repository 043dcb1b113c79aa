package cognito

import (
	"slices"
	"strings"

	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/web"
)

func (k *configCheck) pool(c Config) {
	k.userPoolDomain(c)
	switch {
	case c.ClientID == "":
		k.add("ClientID", "", "is required", `copy the client ID from the pool's "App clients" page`)
	case !clientIDPattern.MatchString(c.ClientID):
		k.add("ClientID", c.ClientID, "must be letters, digits, _ or +, at most 128", `copy the client ID from the pool's "App clients" page`)
	}
	k.userPoolID(c)
	if strings.TrimSpace(c.ClientSecret) != c.ClientSecret || strings.ContainsFunc(c.ClientSecret, web.IsControl) {
		k.add("ClientSecret", secret.Redacted, "must not begin or end with spaces or contain control characters", "copy the secret again, without a line break")
	}
	if c.Issuer != "" {
		k.issuer(c)
	}
	k.regions(c)
}

func (k *configCheck) userPoolID(c Config) {
	const remedy = `copy the User pool ID from the pool's "Overview" page`
	switch {
	case c.UserPoolID == "":
		k.add("UserPoolID", "", "is required", remedy)
	case len(c.UserPoolID) > 55 || !poolIDOfAnyKind.MatchString(c.UserPoolID):
		k.add("UserPoolID", c.UserPoolID, "must be a region, an underscore, then letters and digits, such as eu-west-2_AbCdEfGhI", remedy)
	case c.Issuer == "" && !hasRegion(c.UserPoolID):
		k.add("UserPoolID", c.UserPoolID, "must begin with the pool's region, such as eu-west-2_AbCdEfGhI", remedy+", or set Issuer if the pool is not at AWS or is in an unknown AWS partition")
	}
}

func (k *configCheck) userPoolDomain(c Config) {
	const remedy = `copy the domain from the pool's "Domain" page, such as https://my-app.auth.eu-west-2.amazoncognito.com`
	value := c.UserPoolDomain
	if value == "" {
		k.add("UserPoolDomain", "", "is required", remedy)
		return
	}
	if issuerAddress.MatchString(value) { // before its path, which is not what is wrong with it
		k.add("UserPoolDomain", value, "is the address of the issuer, which has no login pages", remedy)
		return
	}
	u, err := parseOrigin(withScheme(value))
	if err != nil {
		k.add("UserPoolDomain", value, err.Error(), remedy)
		return
	}
	host := u.Hostname()
	if !strings.Contains(host, ".") && !isLoopback(host) {
		k.add("UserPoolDomain", value, "is only the prefix of a domain", prefixRemedy(host, c.UserPoolID, remedy))
	}
	if parts := amazonDomain.FindStringSubmatch(host); parts != nil && hasRegion(c.UserPoolID) && parts[2] != regionOr(c.UserPoolID, "") {
		k.add("UserPoolDomain", value, "is in region "+parts[2]+", but UserPoolID is in "+regionOr(c.UserPoolID, ""), "take both from the same pool")
	}
}

func (k *configCheck) issuer(c Config) {
	const remedy = `copy the "issuer" from the pool's openid-configuration`
	u, err := parseAbsolute(c.Issuer)
	switch {
	case err != nil:
		k.add("Issuer", c.Issuer, err.Error(), remedy)
		return
	case strings.HasSuffix(u.Path, "/"):
		k.add("Issuer", c.Issuer, "must not end with a slash, since it is compared exactly", "remove the slash")
		return
	}
	id := u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	parts := issuerHost.FindStringSubmatch(strings.ToLower(u.Host))
	if region := regionOr(c.UserPoolID, ""); parts != nil && parts[1] != region && poolIDWithRegion.MatchString(c.UserPoolID) {
		k.add("Issuer", c.Issuer, "is in region "+parts[1]+", but UserPoolID is in "+region, "take both from the same pool, or leave Issuer out")
	}
	if id != c.UserPoolID && (parts != nil || poolIDWithRegion.MatchString(id)) {
		k.add("Issuer", c.Issuer, "must end with UserPoolID, "+c.UserPoolID+": this issuer belongs to another pool", "take both from the same pool, or leave Issuer out")
	}
}

func (k *configCheck) regions(c Config) {
	own, known := pool.RegionOf(c.UserPoolID)
	for i, region := range c.Regions {
		switch {
		case c.Issuer != "":
			k.add("Regions", region, "has no effect when Issuer is set, since only that exact issuer is accepted", "remove Issuer or Regions")
		case known && !pool.SamePartition(own, region):
			k.add("Regions", region, "must be a Region that the pool in "+own+" can be replicated to", "use a Region's code, such as eu-central-1")
		case region == own:
			k.add("Regions", region, "is the Region of UserPoolID, which is always accepted", "remove it")
		case slices.Contains(c.Regions[:i], region):
			k.add("Regions", region, "is listed twice", "keep one")
		}
	}
}

func hasRegion(poolID string) bool {
	_, known := pool.RegionOf(poolID)
	return known
}

// prefixRemedy completes the prefix of a domain, where it is documented how.
func prefixRemedy(prefix, poolID, otherwise string) string {
	if region := regionOr(poolID, "REGION"); region == "REGION" || pool.SamePartition(region, "us-east-1") {
		return "use " + prefix + ".auth." + region + ".amazoncognito.com"
	}
	return otherwise
}

func regionOr(poolID, otherwise string) string {
	if region, _, ok := strings.Cut(poolID, "_"); ok && region != "" {
		return region
	}
	return otherwise
}

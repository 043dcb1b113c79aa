package pool

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// One user pool has several names for itself: two forms of its issuer, which its
// owner can switch between, and with multi-Region replication one of each in every
// Region. All of them sign with the same keys. See
// https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html

// partition is a part of AWS with hosts of its own. A pool is replicated only within one.
type partition struct {
	name    string
	regions *regexp.Regexp
	suffix  string
}

// partitions are those whose hosts are documented. Of the isolated ones they are
// not: a pool there needs Issuer. The last pattern also fits the Regions of China, so it
// comes last.
var partitions = []partition{
	{"aws-cn", regexp.MustCompile(`^cn-[a-z]+-\d+$`), "amazonaws.com.cn"},
	{"aws-us-gov", regexp.MustCompile(`^us-gov-[a-z]+-\d+$`), "amazonaws.com"},
	{"aws-eusc", regexp.MustCompile(`^eusc-[a-z]{2}-[a-z]+-\d+$`), "amazonaws.eu"},
	{"aws", regexp.MustCompile(`^[a-z]{2}-[a-z]+-\d+$`), "amazonaws.com"},
}

// partitionOf finds the partition of a Region by the form of its name, so that Regions that
// AWS opens later are known, too.
func partitionOf(region string) (partition, bool) {
	for _, each := range partitions {
		if each.regions.MatchString(region) {
			return each, true
		}
	}
	return partition{}, false
}

// RegionOf is the Region that a pool's id begins with. ok is false if the hosts of
// that Region are not known.
func RegionOf(poolID string) (region string, ok bool) {
	region, rest, found := strings.Cut(poolID, "_")
	_, known := partitionOf(region)
	return region, found && rest != "" && known
}

// SamePartition reports whether a pool of one Region can be replicated to another.
func SamePartition(a, b string) bool {
	one, known := partitionOf(a)
	other, alsoKnown := partitionOf(b)
	return known && alsoKnown && one.name == other.name
}

// issuersIn are both forms of a pool's issuer in a Region.
func issuersIn(region, poolID string) []string {
	in, known := partitionOf(region)
	if !known {
		return nil
	}
	host := region + "." + in.suffix + "/" + poolID
	return []string{"https://cognito-idp." + host, "https://issuer-cognito-idp." + host}
}

// DefaultIssuers are both forms of the issuer in the Region of the pool's id.
func DefaultIssuers(poolID string) []string {
	region, _ := RegionOf(poolID)
	return issuersIn(region, poolID)
}

// Issuers are those that tokens of a pool may name.
type Issuers struct {
	poolID string
	exact  string   // the one configured, or ""
	own    []string // those accepted: exact alone, or else both forms in each Region
}

// First is what the pool is called towards others, or "" if that is not known.
func (i Issuers) First() string {
	if len(i.own) == 0 {
		return ""
	}
	return i.own[0]
}

// Exact is the one configured, or "".
func (i Issuers) Exact() string { return i.exact }

// NewIssuers are exactly the one given, or those of the pool's own Region and of
// further ones.
func NewIssuers(poolID, exact string, regions []string) Issuers {
	i := Issuers{poolID: poolID, exact: exact, own: []string{exact}}
	if exact == "" {
		i.own = DefaultIssuers(poolID)
		for _, region := range regions {
			i.own = append(i.own, issuersIn(region, poolID)...)
		}
	}
	return i
}

// Has reports whether a token of this issuer counts. It is compared exactly (RFC 7519
// section 4.1.1). A token without an issuer never counts, even if none is known.
func (i Issuers) Has(issuer string) bool { return issuer != "" && slices.Contains(i.own, issuer) }

// String names them for the log.
func (i Issuers) String() string { return fmt.Sprintf("%q", i.own) }

// KeyAddresses are where the keys are published, the likeliest first. The keys are
// the same at each.
func (i Issuers) KeyAddresses() []string {
	addresses := make([]string, 0, len(i.own)+1)
	for _, issuer := range i.own {
		addresses = append(addresses, issuer+"/.well-known/jwks.json")
	}
	region, _ := RegionOf(i.poolID)
	if in, known := partitionOf(region); known && in.name == "aws-us-gov" && i.exact == "" {
		// The only host that is documented there for Cognito's API.
		addresses = append(addresses, "https://cognito-idp-fips."+region+"."+in.suffix+"/"+i.poolID+"/.well-known/jwks.json")
	}
	return addresses
}

// AnotherPool is the id of the pool in an issuer of Amazon's, if it is not this one. It says
// nothing of test pools, whose issuers have any form.
func (i Issuers) AnotherPool(issuer string) (id string, is bool) {
	parts := issuerOfAmazon.FindStringSubmatch(issuer)
	if parts == nil || parts[4] == i.poolID {
		return "", false
	}
	return parts[4], true
}

// issuerOfAmazon finds Region and pool id in an issuer.
var issuerOfAmazon = regexp.MustCompile(`^https://(issuer-)?cognito-idp(-fips)?\.([a-z0-9-]+)\.amazonaws\.[a-z.]+/([\w-]+)$`)

// Missing is for an issuer that is not accepted. If it could be the pool's nevertheless,
// because its owner has switched the form or another Region has taken over, could is
// true, and line is what the configuration lacks.
func (i Issuers) Missing(issuer string) (line string, could bool) {
	parts := issuerOfAmazon.FindStringSubmatch(issuer)
	if parts == nil || parts[4] != i.poolID {
		return "", false
	}
	// The pattern also fits hosts such as amazonaws.evil.example. The operator is told to
	// accept what passes here, so it must be an issuer that this pool can have.
	region, fips := parts[3], parts[2] != ""
	own, known := RegionOf(i.poolID)
	switch {
	case !known || !SamePartition(own, region):
		return "", false
	case fips:
		in, _ := partitionOf(region)
		return fmt.Sprintf("Issuer: %q", issuer), in.name == "aws-us-gov" && strings.HasSuffix(issuer, "."+in.suffix+"/"+i.poolID)
	case !slices.Contains(issuersIn(region, i.poolID), issuer):
		return "", false
	case i.exact != "":
		return fmt.Sprintf("Issuer: %q", issuer), true
	}
	return fmt.Sprintf("Regions: []string{%q}", region), true
}

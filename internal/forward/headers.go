package forward

import (
	"net/http"
	"slices"
	"strings"
)

// Headers of a request that are not forwarded. The upstream learns who the user is only
// from the token, so everything else that may say so is removed: what proxies write, the
// visitor could have written. Origin and the like say which page a browser's request
// comes from, and the upstream's request no longer comes from a browser. Host, lengths and
// Expect belong to the visitor's connection; the upstream's has its own. Names are in their
// canonical form, in which clean compares.
var (
	privateToUs = []string{
		"Authorization", "Cookie", "Cookie2", "Expect", "Host", "Content-Length", "Forwarded", "Via",
		"Origin", "Referer", "Dpop", "Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip",
		"X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Url", "X-Original-Uri", "X-Original-Host", "X-Rewrite-Url", "X-Host",
		"X-Http-Method", "X-Http-Method-Override", "X-Method-Override",
		"X-User", "X-User-Id", "X-Username", "X-Email", "X-Groups", "X-Roles", "X-Access-Token", "X-Id-Token",
		"X-Userinfo", "X-Anonymous-Consumer", "X-Apigateway-Api-Userinfo", "X-Endpoint-Api-Userinfo", "X-Scope-Orgid", "Teleport-Jwt-Assertion", "X-Jwt-Assertion", "Smuser",
		"X-Client-Cert", "X-Arr-Clientcert", "X-Ssl-Cert", "Client-Cert", "Client-Cert-Chain", "X-Amz-Security-Token",
	}
	privatePrefixes = []string{
		"Proxy-", "Remote-", "Sec-Fetch-", "X-Forwarded-", "X-Auth-", "X-Authenticated-", "X-Remote-", "X-Amzn-Oidc-", "X-Amzn-Mtls-",
		"X-Goog-Iap-", "X-Goog-Authenticated-", "X-Ms-Client-Principal", "X-Ms-Token-", "X-Envoy-", "X-Webauth-", "X-Ssl-Client-", "Ssl-Client-", "Cf-Access-", "Tailscale-",
		"X-Authentik-", "X-Vouch-", "X-Pomerium-", "X-Consumer-", "X-Credential-", "X-Token-", "Oidc-", "Sm-", "Iv-",
	}
)

// Headers of a response that are not passed on, because of what they would do at our
// origin: cookies would replace the session's; Clear-Site-Data would end it; a challenge
// opens the browser's own password dialog; Access-Control-* would let other sites read
// what only the user may read; the next ones affect the whole origin; the last ones make
// a proxy in front of us send its own files, or cache what belongs to one user.
var (
	powerfulHere = []string{
		"Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Www-Authenticate", "Authentication-Info", "Proxy-Authenticate", "Proxy-Authentication-Info",
		"Strict-Transport-Security", "Public-Key-Pins", "Expect-Ct", "Alt-Svc", "Service-Worker-Allowed", "Refresh", "Trailer", "Sourcemap",
		"Nel", "Report-To", "Accept-Ch", "Critical-Ch", "Set-Login", "Sec-Session-Registration", "Secure-Session-Registration",
		"X-Accel-Redirect", "X-Accel-Expires", "X-Accel-Charset", "X-Accel-Limit-Rate", "X-Sendfile", "X-Sendfile2", "X-Sendfile-Temporary", "X-Lighttpd-Send-File", "X-Litespeed-Location", "X-Reproxy-Url",
		"Surrogate-Control", "Edge-Control", "Expires", "Pragma",
	}
	powerfulPrefixes = []string{"Access-Control-"}
	powerfulEndings  = []string{"-Cache-Control"}
)

// clean removes headers, in whatever spelling. "X_Forwarded_User" is "X-Forwarded-User" to
// whatever speaks CGI or WSGI.
func clean(header http.Header, names, prefixes, endings []string) {
	for name := range header {
		plain := http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
		if slices.Contains(names, plain) ||
			slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(plain, prefix) }) ||
			slices.ContainsFunc(endings, func(ending string) bool { return strings.HasSuffix(plain, ending) }) {
			delete(header, name)
		}
	}
}

// cleanAnswer makes an upstream's headers safe at our origin.
func cleanAnswer(header http.Header) {
	clean(header, powerfulHere, powerfulPrefixes, powerfulEndings)
	if wanted := header.Values("Cache-Control"); len(wanted) > 0 {
		// Several are one list (RFC 9110 section 5.3), and each directive counts.
		header.Set("Cache-Control", private(strings.Join(wanted, ",")))
	}
	// An answer that a stranger has a part in must not become a script of ours.
	header.Set("X-Content-Type-Options", "nosniff")
}

// private is a Cache-Control for one user. To the upstream it was plain that no shared
// cache keeps the answer, because its request had an Authorization (RFC 9111 section
// 3.5); ours had a cookie. What only speaks to shared caches is left out with "public".
func private(wanted string) string {
	kept := []string{"private"}
	for each := range strings.SplitSeq(wanted, ",") {
		each = strings.TrimSpace(each)
		name, _, _ := strings.Cut(strings.ToLower(each), "=")
		if !slices.Contains([]string{"", "private", "public", "s-maxage", "proxy-revalidate"}, name) {
			kept = append(kept, each)
		}
	}
	return strings.Join(kept, ", ")
}

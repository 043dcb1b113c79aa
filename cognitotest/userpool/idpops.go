package userpool

import "maps"

// none is the answer of operations that have nothing to say.
type none struct{}

// operations are those that the pool knows.
func (p *Pool) operations() map[string]operation {
	all := map[string]operation{
		"InitiateAuth":              open(p.initiateAuth),
		"RespondToAuthChallenge":    open(p.respond),
		"GetTokensFromRefreshToken": open(p.getTokens),
		"RevokeToken":               open(p.revokeToken),
		"GetUser":                   open(p.getUser),
		"GlobalSignOut":             open(p.globalSignOut),
		"UpdateUserAttributes":      open(p.updateAttributes),
		"SignUp":                    open(p.signUp),
		"ConfirmSignUp":             open(p.confirmSignUp),
		"ListUserSessions":          open(p.listOwnSessions),
		"RevokeUserSession":         open(p.revokeOwnSession),
	}
	maps.Copy(all, p.userOperations())
	maps.Copy(all, p.poolOperations())
	return all
}

// userOperations are what administrators do to users and groups.
func (p *Pool) userOperations() map[string]operation {
	return map[string]operation{
		"AdminInitiateAuth":         within(p, p.adminInitiateAuth),
		"AdminUserGlobalSignOut":    within(p, p.adminSignOut),
		"AdminCreateUser":           within(p, p.adminCreateUser),
		"AdminConfirmSignUp":        within(p, p.adminConfirm),
		"AdminSetUserPassword":      within(p, p.adminSetPassword),
		"AdminGetUser":              within(p, p.adminGetUser),
		"AdminDeleteUser":           within(p, p.adminDeleteUser),
		"AdminEnableUser":           within(p, p.adminEnable(true)),
		"AdminDisableUser":          within(p, p.adminEnable(false)),
		"AdminUpdateUserAttributes": within(p, p.adminUpdateAttributes),
		"ListUsers":                 within(p, p.listUsers),
		"AdminListUserSessions":     within(p, p.listUserSessions),
		"AdminRevokeUserSession":    within(p, p.revokeUserSession),
		"CreateGroup":               within(p, p.createGroup),
		"AdminAddUserToGroup":       within(p, p.addToGroup),
		"AdminRemoveUserFromGroup":  within(p, p.removeFromGroup),
		"AdminListGroupsForUser":    within(p, p.listGroups),
	}
}

// poolOperations are what administrators do to the pool itself.
func (p *Pool) poolOperations() map[string]operation {
	return map[string]operation{
		"CreateUserPool":         admin(p.createUserPool),
		"ListUserPools":          admin(p.listUserPools),
		"DescribeUserPool":       within(p, p.describeUserPool),
		"CreateUserPoolClient":   within(p, p.createClient),
		"DescribeUserPoolClient": within(p, p.describeClient),
		"ListUserPoolClients":    within(p, p.listClients),
		"CreateUserPoolDomain":   within(p, p.createDomain),
		"DescribeUserPoolDomain": admin(p.describeDomain),
	}
}

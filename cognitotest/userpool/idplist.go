package userpool

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Lists of users, and groups.

// filterPattern is a filter of ListUsers: name = "value", or ^= for a beginning.
var filterPattern = regexp.MustCompile(`^\s*"?([\w:]+)"?\s*(\^?=)\s*"((?:[^"\\]|\\.)*)"\s*$`)

type listRequest struct {
	ofPool
	Filter, PaginationToken string
	Limit                   int
}

func (p *Pool) listUsers(in listRequest) (any, error) {
	filter, err := readFilter(in.Filter)
	if err != nil {
		return nil, err
	}
	if in.Limit < 0 || in.Limit > 60 {
		return nil, refused("InvalidParameterException", "Limit must be 60 at most")
	}
	from := 0
	if in.PaginationToken != "" {
		if from, err = strconv.Atoi(in.PaginationToken); err != nil || from < 0 {
			return nil, refused("InvalidParameterException", "Invalid pagination token")
		}
	}
	var found []map[string]any
	for _, user := range p.allUsers() {
		if shown := p.apiUser(user, "Attributes"); filter(user, shown) {
			found = append(found, shown)
		}
	}
	from = min(from, len(found))
	end := min(from+cmp.Or(in.Limit, 60), len(found))
	answer := map[string]any{"Users": append([]map[string]any{}, found[from:end]...)}
	if end < len(found) {
		answer["PaginationToken"] = strconv.Itoa(end)
	}
	return answer, nil
}

// readFilter makes a judgement of a filter.
func readFilter(text string) (func(User, map[string]any) bool, error) {
	if strings.TrimSpace(text) == "" {
		return func(User, map[string]any) bool { return true }, nil
	}
	parts := filterPattern.FindStringSubmatch(text)
	if parts == nil {
		return nil, refused("InvalidParameterException", "Error while parsing filter")
	}
	name, begins, want := parts[1], parts[2] == "^=", strings.ReplaceAll(parts[3], `\`, "")
	return func(user User, shown map[string]any) bool {
		value := attributesOf(user)[name]
		switch name {
		case "sub":
			value = user.Subject
		case "username":
			value = user.Username
		case "cognito:user_status":
			value, _ = shown["UserStatus"].(string)
		case "status":
			value = map[bool]string{true: "Enabled", false: "Disabled"}[!user.Disabled]
		}
		return value == want || begins && strings.HasPrefix(value, want)
	}, nil
}

func (p *Pool) createGroup(in userRequest) (any, error) {
	if in.GroupName == "" {
		return nil, missing("GroupName")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hasGroup(in.GroupName) {
		return nil, refused("GroupExistsException", "A group with the name already exists.")
	}
	p.idp.groups = append(p.idp.groups, in.GroupName)
	return map[string]any{"Group": p.apiGroup(in.GroupName)}, nil
}

func (p *Pool) apiGroup(name string) map[string]any {
	return map[string]any{"GroupName": name, "UserPoolId": p.id}
}

// hasGroup reports whether a group was created, or some user is in it. The caller
// holds mu.
func (p *Pool) hasGroup(name string) bool {
	if slices.Contains(p.idp.groups, name) {
		return true
	}
	for _, user := range p.users.byName {
		if slices.Contains(user.Groups, name) {
			return true
		}
	}
	return false
}

func (p *Pool) addToGroup(in userRequest) (any, error) {
	return p.regroup(in, func(u *User) {
		if !slices.Contains(u.Groups, in.GroupName) {
			u.Groups = append(slices.Clone(u.Groups), in.GroupName)
		}
	})
}

func (p *Pool) removeFromGroup(in userRequest) (any, error) {
	return p.regroup(in, func(u *User) {
		u.Groups = slices.DeleteFunc(slices.Clone(u.Groups), func(g string) bool { return g == in.GroupName })
	})
}

func (p *Pool) regroup(in userRequest, edit func(*User)) (any, error) {
	p.mu.Lock()
	known := p.hasGroup(in.GroupName)
	if known && !slices.Contains(p.idp.groups, in.GroupName) {
		// It stays when its last member leaves.
		p.idp.groups = append(p.idp.groups, in.GroupName)
	}
	p.mu.Unlock()
	if !known {
		return nil, refused("ResourceNotFoundException", "Group not found.")
	}
	_, err := p.change(in.Username, "", edit)
	return none{}, err
}

func (p *Pool) listGroups(in userRequest) (any, error) {
	user, ok := p.anyUser(in.Username)
	if !ok {
		return nil, refused("UserNotFoundException", "User does not exist.")
	}
	groups := []map[string]any{}
	for _, name := range user.Groups {
		groups = append(groups, p.apiGroup(name))
	}
	return map[string]any{"Groups": groups}, nil
}

# A user pool for github.com/bar-tech/cognito: pool, login domain, one app client
# and its branding style. See ../README.md.
#
# Cognito's Update calls reset what they do not get, and the provider sends only
# what is here and what it read before. So settings are written out that happen to
# be defaults today; change them here and not in the console.

data "aws_region" "current" {}

resource "aws_cognito_user_pool" "this" {
  name = var.domain_prefix
  # A pool cannot be restored, and passwords cannot be exported: destroy stops here
  # until this is INACTIVE.
  deletion_protection = "ACTIVE"
  # The Lite plan has no managed login.
  user_pool_tier = "ESSENTIALS"

  # These two can never be changed: another value is another pool, without its
  # users. So is a schema block without its constraints, which is why there is none:
  # the standard attributes need none.
  username_attributes = ["email"]
  username_configuration {
    case_sensitive = false
  }

  auto_verified_attributes = ["email"]
  # Else a new address takes the place of the verified one at once.
  user_attribute_update_settings {
    attributes_require_verification_before_update = ["email"]
  }

  # Cognito lets strangers sign up unless told otherwise. Make this false to let
  # them.
  admin_create_user_config {
    allow_admin_create_user_only = true
  }

  account_recovery_setting {
    recovery_mechanism {
      name     = "verified_email"
      priority = 1
    }
  }

  password_policy {
    minimum_length                   = 12
    temporary_password_validity_days = 7
  }
}

# Without a domain, none of the login pages and OAuth endpoints exist.
resource "aws_cognito_user_pool_domain" "this" {
  user_pool_id          = aws_cognito_user_pool.this.id
  domain                = var.domain_prefix
  managed_login_version = 2 # 1 is the classic hosted UI, which ignores prompt and lang
}

resource "aws_cognito_user_pool_client" "this" {
  user_pool_id    = aws_cognito_user_pool.this.id
  name            = "web"
  generate_secret = var.client_type == "confidential"

  # The lists of flows and scopes have no effect unless this is true.
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  # Config.Scopes. aws.cognito.signin.user.admin is left out: with it, a user's
  # token could change the user's attributes.
  allowed_oauth_scopes = ["openid", "email", "profile"]
  # A client without a provider has nobody to sign in. Add federated ones by their
  # names in the pool.
  supported_identity_providers = ["COGNITO"]
  # BaseURL followed by Config.RedirectPath, and by Config.AfterLogout.
  callback_urls = ["${var.base_url}/login/redirect"]
  logout_urls   = ["${var.base_url}/"]

  # Rotation must not meet ALLOW_REFRESH_TOKEN_AUTH, which is among the flows of a
  # client that names none. So one is named. Passkeys and one-time codes need
  # ALLOW_USER_AUTH besides. Who gives up rotation applies twice: a change that
  # removes the block and adds that flow is refused.
  explicit_auth_flows = ["ALLOW_USER_SRP_AUTH"]
  # The grace period lets a renewal be repeated whose answer was lost, and two
  # instances renew at the same time. 0 would end such sessions.
  refresh_token_rotation {
    feature                    = "ENABLED"
    retry_grace_period_seconds = 60
  }
  enable_token_revocation = true # else logout leaves the refresh token alive

  # The units differ unless they are given: hours, hours and days. Shorter access
  # tokens than Cognito's own session cookie of an hour gain little.
  access_token_validity = 60
  id_token_validity     = 60
  # Not less than Config.AbsoluteTimeout. Rotation does not prolong it: a new
  # refresh token has what was left to the old one.
  refresh_token_validity = 7
  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "days"
  }

  # Else login and recovery tell strangers who has an account.
  prevent_user_existence_errors = "ENABLED"
  # Every attribute of the scopes, or the token endpoint answers invalid_grant:
  # email_verified belongs to "email".
  read_attributes = [
    "address",
    "birthdate",
    "email",
    "email_verified",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "picture",
    "preferred_username",
    "profile",
    "updated_at",
    "website",
    "zoneinfo",
  ]
  # Without this list, custom:… attributes would be writable by whoever signs up.
  # Attributes that a federated provider maps must be here.
  write_attributes = ["email", "name"]
}

# A client made by a provider has no style, and managed login shows it nothing but
# "Login pages unavailable". Every client needs one of its own.
resource "aws_cognito_managed_login_branding" "this" {
  user_pool_id                = aws_cognito_user_pool.this.id
  client_id                   = aws_cognito_user_pool_client.this.id
  use_cognito_provided_values = true # refused together with settings
}

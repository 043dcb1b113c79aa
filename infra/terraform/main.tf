# A user pool for github.com/bar-tech/cognito: pool, login domain, one app client
# and its branding style. See ../README.md.
#
# Cognito's Update calls reset what they do not get, and the provider sends only
# what is here and what it read before. So settings are written out even if they are
# defaults today. Make changes here, not in the console.

data "aws_region" "current" {}

resource "aws_cognito_user_pool" "this" {
  name = var.domain_prefix
  # A pool cannot be restored, and passwords cannot be exported. So terraform destroy
  # fails until this is INACTIVE.
  deletion_protection = "ACTIVE"
  # The Lite plan has no managed login.
  user_pool_tier = "ESSENTIALS"

  # These two can never be changed: another value creates another pool, without the
  # users. A schema block without its constraints does so too, which is why there is
  # none: the standard attributes do not need it.
  username_attributes = ["email"]
  username_configuration {
    case_sensitive = false
  }

  auto_verified_attributes = ["email"]
  # Otherwise a new e-mail address replaces the verified one at once.
  user_attribute_update_settings {
    attributes_require_verification_before_update = ["email"]
  }

  # By default, Cognito lets anybody sign up. Set this to false to allow it.
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
  # A client without an identity provider can sign nobody in. Add federated providers
  # by their names in the pool.
  supported_identity_providers = ["COGNITO"]
  # BaseURL followed by Config.RedirectPath, and by Config.AfterLogout.
  callback_urls = ["${var.base_url}/login/redirect"]
  logout_urls   = ["${var.base_url}/"]

  # Rotation is not allowed together with ALLOW_REFRESH_TOKEN_AUTH, which a client has
  # by default if it lists no flows. So one is listed. Passkeys and one-time codes also
  # need ALLOW_USER_AUTH. To give up rotation, apply twice: a change that removes the
  # block and adds that flow at the same time is refused.
  explicit_auth_flows = ["ALLOW_USER_SRP_AUTH"]
  # With the grace period, a renewal whose response was lost can be repeated, and two
  # instances can renew at the same time. With 0, such sessions would end.
  refresh_token_rotation {
    feature                    = "ENABLED"
    retry_grace_period_seconds = 60
  }
  enable_token_revocation = true # otherwise refresh tokens stay valid after a sign-out

  # Without units, these would be hours, hours and days. Access tokens that are shorter
  # than Cognito's own session of an hour gain little.
  access_token_validity = 60
  id_token_validity     = 60
  # At least Config.AbsoluteTimeout. Rotation does not extend it: a new
  # refresh token has the remaining lifetime of the old one.
  refresh_token_validity = 7
  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "days"
  }

  # Otherwise login and account recovery reveal who has an account.
  prevent_user_existence_errors = "ENABLED"
  # All attributes of the scopes. If one is missing, the token endpoint answers
  # invalid_grant: email_verified belongs to "email".
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
  # Without this list, custom:… attributes could be written by anybody who signs up.
  # Attributes that a federated provider maps must be listed here.
  write_attributes = ["email", "name"]
}

# A client that Terraform creates has no style, and managed login only shows it
# "Login pages unavailable". Every client needs one of its own.
resource "aws_cognito_managed_login_branding" "this" {
  user_pool_id                = aws_cognito_user_pool.this.id
  client_id                   = aws_cognito_user_pool_client.this.id
  use_cognito_provided_values = true # refused together with settings
}

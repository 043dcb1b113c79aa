terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Older ones have no aws_cognito_managed_login_branding, or no region of
      # data.aws_region.
      version = ">= 6.12, < 7.0"
    }
  }
}

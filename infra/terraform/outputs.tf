# The outputs have the names of the variables that the example reads.

output "COGNITO_USER_POOL_DOMAIN" {
  value       = "https://${aws_cognito_user_pool_domain.this.domain}.auth.${data.aws_region.current.region}.amazoncognito.com"
  description = "Config.UserPoolDomain"
}

output "COGNITO_USER_POOL_ID" {
  value       = aws_cognito_user_pool.this.id
  description = "Config.UserPoolID"
}

output "COGNITO_CLIENT_ID" {
  value       = aws_cognito_user_pool_client.this.id
  description = "Config.ClientID"
}

# Kept from the screen. It is in the state in plain text, so keep the state where
# secrets may be.
output "COGNITO_CLIENT_SECRET" {
  value       = var.client_type == "confidential" ? aws_cognito_user_pool_client.this.client_secret : ""
  description = "Config.ClientSecret"
  sensitive   = true
}

output "BASE_URL" {
  value       = var.base_url
  description = "Config.BaseURL"
}

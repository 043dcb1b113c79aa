variable "domain_prefix" {
  type        = string
  description = "First label of the login domain, unique in the Region. It also names the pool."

  # Cognito reserves the three words, and says so only when the domain is made.
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.domain_prefix)) && !can(regex("aws|amazon|cognito", var.domain_prefix))
    error_message = "Use lower-case letters, digits and hyphens, without \"aws\", \"amazon\" or \"cognito\"."
  }
}

variable "base_url" {
  type        = string
  default     = "http://localhost:8021"
  description = "The app's public address (Config.BaseURL), without a trailing slash."

  # Cognito takes plain http for loopback addresses only. A slash at the end would
  # double in the client's URLs, which Cognito compares letter by letter.
  validation {
    condition     = can(regex("^(https://[^/?#\\s]+|http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]+)?)(/[0-9A-Za-z._~-]+)*$", var.base_url))
    error_message = "Use an https address, or http on localhost, without a trailing slash."
  }
}

# Changing it makes a new client with a new id, and removes the old one.
variable "client_type" {
  type        = string
  default     = "confidential"
  description = "Whether the app client has a secret: confidential or public. Without a secret, anybody can use a stolen refresh token."

  validation {
    condition     = var.client_type == "confidential" || var.client_type == "public"
    error_message = "Use confidential or public."
  }
}

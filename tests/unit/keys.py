"""What has the shape of a private key, for settings that name one. It opens nothing."""

PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n"

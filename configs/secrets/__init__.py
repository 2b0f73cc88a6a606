"""Secrets at rest: encrypted in configs/.secrets.env, opened with a key that is kept elsewhere."""

from configs.secrets.generating import Kind, generate, random_value
from configs.secrets.secret import Secret
from configs.secrets.store import load_secrets, secrets_path

__all__ = ["Kind", "Secret", "generate", "load_secrets", "random_value", "secrets_path"]

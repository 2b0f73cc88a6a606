"""Secrets at rest: encrypted in configs/.secrets.env, opened with a key that is kept elsewhere."""

from configs.secrets.generating import Kind, generate, random_value
from configs.secrets.providing import Needed, Provided, provide
from configs.secrets.secret import Secret
from configs.secrets.store import load_secrets, secrets_path

__all__ = [
    "Kind",
    "Needed",
    "Provided",
    "Secret",
    "generate",
    "load_secrets",
    "provide",
    "random_value",
    "secrets_path",
]

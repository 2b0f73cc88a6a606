"""What an application finds in its .env, by Laravel's own names."""

from collections.abc import Mapping

from configs import App, Page
from configs.secrets import Secret
from tasks.laravel.secrets import app_key, database_password, own
from tasks.redis.instances import cache, queue
from tasks.redis.users import password as redis_password
from tasks.resources import secret


def environment(name: str, app: App, page: Page) -> Mapping[str, str | Secret]:
    """The names with their values; what the inventory says of one goes before."""
    return {
        "APP_NAME": name,
        "APP_ENV": "production",
        "APP_DEBUG": "false",
        "APP_URL": page.url,
        "LOG_CHANNEL": "single",
        "DB_CONNECTION": "mysql",
        "DB_HOST": "localhost",
        "DB_SOCKET": "/run/mysqld/mysqld.sock",
        "DB_DATABASE": name,
        "DB_USERNAME": name,
        # Of two names for the same, the first is that of Laravel 10 and older.
        "CACHE_DRIVER": "redis",
        "CACHE_STORE": "redis",
        "SESSION_DRIVER": "redis",
        "SESSION_CONNECTION": "default",
        "SESSION_SECURE_COOKIE": str(page.encrypted).lower(),
        "QUEUE_CONNECTION": "redis",
        "REDIS_CLIENT": "phpredis",
        "REDIS_PREFIX": f"{name}:",
        "REDIS_USERNAME": name,
        # A host that is a path is a socket, to which port 0 belongs.
        "REDIS_HOST": queue(name).socket,
        "REDIS_PORT": "0",
        # For the connection "cache", which may lose what it holds.
        "REDIS_CACHE_HOST": cache(name).socket,
        "REDIS_CACHE_PORT": "0",
        **app.environment,
        "APP_KEY": secret(app_key(name)),
        "DB_PASSWORD": secret(database_password(name)),
        "REDIS_PASSWORD": secret(redis_password(name)),
        **{key: secret(own(name, key)) for key in app.secrets},
    }


def foreign_database(name: str, app: App) -> str:
    """Say by which settings an application uses another database than the one made for it.

    Returns an empty string if it uses its own.
    """
    own = {
        "DB_CONNECTION": {"mysql", "mariadb"},
        "DB_HOST": {"localhost", "127.0.0.1", "::1"},
        "DB_PORT": {"3306"},
        "DB_DATABASE": {name},
        "DB_URL": {""},
        "DATABASE_URL": {""},
    }
    changed = [key for key, value in app.environment.items() if value not in own.get(key, {value})]
    changed += [key for key in app.secrets if key in own]
    if not changed:
        return ""
    return f"{name} uses a database elsewhere ({', '.join(sorted(changed))}): back it up there"

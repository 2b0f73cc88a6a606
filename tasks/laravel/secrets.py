"""The secrets of an application."""

from configs import App, Target
from configs.secrets import Needed
from tasks.redis.users import password as redis_password


def app_key(name: str) -> Needed:
    """What Laravel seals cookies and data with: what was sealed with another is lost."""
    return Needed(f"{name.upper()}_APP_KEY", f"the key of {name}'s cookies", "laravel_app_key")


def database_password(name: str) -> Needed:
    """For those who use the application's database without being its system user."""
    return Needed(f"{name.upper()}_DB_PASSWORD", f"the password of {name}'s database", "password")


def deploy_key(name: str) -> Needed:
    """What git logs in with."""
    what = f"the OpenSSH private key that may read {name}'s repository"
    return Needed(f"{name.upper()}_DEPLOY_KEY", what, is_ssh_key=True)


def own(name: str, key: str) -> Needed:
    """One that the application itself asks for, by the name that it has in .env."""
    return Needed(f"{name.upper()}_{key}", f"{key} of {name}")


def of_app(name: str, app: App) -> list[Needed]:
    """What stands in an application's .env."""
    made = [app_key(name), database_password(name), redis_password(name)]
    return [*made, *(own(name, key) for key in app.secrets)]


def of_apps(target: Target) -> list[Needed]:
    """The same for all applications of a target."""
    return [need for name, app in target.apps.items() for need in of_app(name, app)]


def deploy_keys(target: Target) -> list[Needed]:
    """Those of the applications whose repository wants one."""
    return [deploy_key(name) for name, app in target.apps.items() if app.deploy_key]

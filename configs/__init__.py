"""What we want: the inventory, the defaults, their schema and the loader. Knows nobody else."""

from configs.apps import App
from configs.loader import Configuration, inventory_path, load
from configs.pages import Page
from configs.paths import PROJECT
from configs.problems import ConfigurationError, Problem
from configs.schema import (
    AlertmanagerSettings,
    AptSettings,
    BlackboxExporterSettings,
    MariadbSettings,
    MysqldExporterSettings,
    NetworkSettings,
    NginxExporterSettings,
    NginxSettings,
    NodeExporterSettings,
    PhpfpmExporterSettings,
    PhpSettings,
    PreflightSettings,
    PrometheusSettings,
    RedisExporterSettings,
    RedisSettings,
    Requirement,
    Role,
    Settings,
    SmtpSettings,
    Specs,
    Ssh,
    Target,
)

__all__ = [
    "PROJECT",
    "AlertmanagerSettings",
    "App",
    "AptSettings",
    "BlackboxExporterSettings",
    "Configuration",
    "ConfigurationError",
    "MariadbSettings",
    "MysqldExporterSettings",
    "NetworkSettings",
    "NginxExporterSettings",
    "NginxSettings",
    "NodeExporterSettings",
    "Page",
    "PhpSettings",
    "PhpfpmExporterSettings",
    "PreflightSettings",
    "Problem",
    "PrometheusSettings",
    "RedisExporterSettings",
    "RedisSettings",
    "Requirement",
    "Role",
    "Settings",
    "SmtpSettings",
    "Specs",
    "Ssh",
    "Target",
    "inventory_path",
    "load",
]

"""Names of the secrets that each target has for itself, such as ``LOGS_PASSWORD_WEB_1``."""

# No application may have a secret whose name begins with one of these and an underscore.
OF_TARGETS = (
    "LOGS_PASSWORD",
    "METRICS_PASSWORD",
    "METRICS_TLS_KEY",
    "REDIS_EXPORTER_PASSWORD",
    "REDIS_PASSWORD",
)


def of_target(kind: str, target: str) -> str:
    """Name of a target's secret: no two targets share one, as their names hold no underscore.

    Raises ValueError for a ``kind`` that is not in ``OF_TARGETS``.
    """
    if kind not in OF_TARGETS:
        raise ValueError(f"{kind} is not in OF_TARGETS")
    return f"{kind}_{target.upper().replace('-', '_')}"

"""What the stand-in for Promtail knows of Promtail's configuration file."""

from __future__ import annotations

import re
from typing import Any

from .strict import ANYTHING, Block, ConfigError, load

_TLS = Block(
    "config.TLSConfig",
    "ca ca_file cert cert_file key key_file server_name"
    " insecure_skip_verify:bool min_version max_version",
)
_CLIENT = Block(
    "client.raw",
    "name url batchwait:go batchsize:int headers bearer_token bearer_token_file oauth2 proxy_url"
    " no_proxy proxy_from_environment:bool proxy_connect_header follow_redirects:bool"
    " enable_http2:bool http_headers authorization external_labels timeout:go tenant_id"
    " drop_rate_limited_batches:bool",
    {
        "basic_auth": Block(
            "config.BasicAuth",
            "username username_file username_ref password password_file password_ref",
        ),
        "tls_config": _TLS,
        "backoff_config": Block("backoff.Config", "min_period:go max_period:go max_retries:int"),
    },
)
# Those that the stand-in carries out, and those that it only knows.
DONE_STAGES = (
    "multiline",
    "regex",
    "labels",
    "static_labels",
    "timestamp",
    "output",
    "labeldrop",
    "replace",
    "drop",
)
KNOWN_STAGES = (
    "match",
    "json",
    "logfmt",
    "template",
    "cri",
    "docker",
    "labelallow",
    "metrics",
    "tenant",
    "pack",
    "limit",
    "sampling",
    "decolorize",
    "eventlogmessage",
    "geoip",
    "structured_metadata",
    "structured_metadata_drop",
    "non_indexed_labels",
)
_STAGE = Block(
    "stages.PipelineStage",
    "",
    {
        "multiline": Block("stages.MultilineConfig", "firstline max_wait_time max_lines:int"),
        **dict.fromkeys((*DONE_STAGES[1:], *KNOWN_STAGES), ANYTHING),
    },
)
_RELABEL = Block(
    "relabel.Config",
    "source_labels separator modulus:int target_label regex replacement action",
)
_SCRAPE = Block(
    "scrapeconfig.Config",
    "job_name encoding syslog gcplog loki_push_api windows_events kafka azure_event_hub gelf"
    " cloudflare heroku_drain file_sd_configs kubernetes_sd_configs consul_sd_configs"
    " consulagent_sd_configs docker_sd_configs dns_sd_configs ec2_sd_configs",
    {
        "pipeline_stages": _STAGE,
        "relabel_configs": _RELABEL,
        "static_configs": Block("targetgroup.Group", "targets labels"),
        "journal": Block(
            "scrapeconfig.JournalTargetConfig", "max_age json:bool labels path matches"
        ),
        "decompression": Block(
            "scrapeconfig.DecompressionConfig", "enabled:bool initial_delay:go format"
        ),
    },
)
CONFIG = Block(
    "config.Config",
    "",
    {
        "global": Block(
            "config.GlobalConfig",
            "",
            {
                "file_watch_config": Block(
                    "file.WatchConfig", "min_poll_frequency max_poll_frequency"
                )
            },
        ),
        "server": Block(
            "server.Config",
            "disable:bool profiling_enabled:bool http_listen_network http_listen_address"
            " http_listen_port:int grpc_listen_network grpc_listen_address grpc_listen_port:int"
            " register_instrumentation:bool graceful_shutdown_timeout:go"
            " http_server_read_timeout:go http_server_write_timeout:go http_server_idle_timeout:go"
            " grpc_server_max_recv_msg_size:int grpc_server_max_send_msg_size:int"
            " grpc_server_max_concurrent_streams:int log_level log_format http_path_prefix"
            " health_check_target:bool enable_runtime_reload:bool external_url reload"
            " http_tls_config grpc_tls_config",
        ),
        "clients": _CLIENT,
        "client": _CLIENT,
        "positions": Block("positions.Config", "filename sync_period:go ignore_invalid_yaml:bool"),
        "scrape_configs": _SCRAPE,
        "limits_config": Block(
            "limit.Config",
            "readline_rate readline_burst:int readline_rate_enabled:bool"
            " readline_rate_drop:bool max_streams:int max_line_size max_line_size_truncate:bool",
        ),
        "target_config": Block("file.Config", "sync_period:go stdin:bool"),
        "options": Block("config.Options", "stream_lag_labels deprecated_runtime_stream_lag"),
        "tracing": Block("tracing.Config", "enabled:bool"),
        "wal": Block(
            "wal.Config", "enabled:bool dir cleanSegments max_segment_age:go watch_config"
        ),
    },
)


def read(text: str) -> dict[str, Any]:
    """The configuration that a text holds; raises `ConfigError` where Promtail would refuse it."""
    config = load(text, CONFIG)
    for client in clients(config):
        if not str(client.get("url", "")).startswith(("http://", "https://")):
            raise ConfigError("client needs target URL")
        auth = client.get("basic_auth") or {}
        if "password" in auth and "password_file" in auth:
            raise ConfigError(
                "at most one of basic_auth password, password_file & password_ref must be"
                " configured"
            )
    if not clients(config):
        raise ConfigError("at least one client config should be provided")
    for scrape in config.get("scrape_configs") or []:
        _check_stages(scrape.get("pipeline_stages") or [])
    return config


def clients(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Where to send to, also as the old single `client`."""
    single = [config["client"]] if config.get("client") else []
    return [*single, *(config.get("clients") or [])]


def _check_stages(stages: list[dict[str, Any]]) -> None:
    for stage in stages:
        [(name, options)] = stage.items()
        expression = {"multiline": "firstline", "regex": "expression"}.get(name)
        if not expression:
            continue
        text = (options or {}).get(expression)
        if not text:
            raise ConfigError(f'invalid {name} stage config: "{expression}" is required')
        try:
            re.compile(go_groups(text))
        except re.error as error:
            raise ConfigError(
                f"invalid {name} stage config: error parsing regexp: {error}"
            ) from error


def go_groups(expression: str) -> str:
    """Go's newer releases also take `(?<name>`, Python only `(?P<name>`."""
    return re.sub(r"\(\?<([A-Za-z_])", r"(?P<\1", expression)

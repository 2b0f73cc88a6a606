"""What the stand-in for Loki knows of Loki's configuration file, and what it refuses in it.

The names are those of the published reference for 3.x. Blocks that a single Loki on one machine
does not use are only known by name.
"""

from __future__ import annotations

from typing import Any

from .durations import prometheus_seconds, prometheus_text, seconds
from .strict import ANYTHING, Block, ConfigError, load

_SERVER = Block(
    "server.Config",
    "http_listen_network http_listen_address http_listen_port:int http_listen_conn_limit:int"
    " grpc_listen_network grpc_listen_address grpc_listen_port:int grpc_listen_conn_limit:int"
    " proxy_protocol_enabled:bool tls_cipher_suites tls_min_version http_tls_config"
    " grpc_tls_config register_instrumentation:bool"
    " report_grpc_codes_in_instrumentation_label_enabled graceful_shutdown_timeout:go"
    " http_server_read_timeout:go http_server_read_header_timeout:go http_server_write_timeout:go"
    " http_server_idle_timeout:go http_log_closed_connections_without_response_enabled"
    " grpc_server_max_recv_msg_size:int grpc_server_max_send_msg_size:int"
    " grpc_server_max_concurrent_streams:int grpc_server_max_connection_idle:go"
    " grpc_server_max_connection_age:go grpc_server_max_connection_age_grace:go"
    " grpc_server_keepalive_time:go grpc_server_keepalive_timeout:go"
    " grpc_server_min_time_between_pings:go grpc_server_ping_without_stream_allowed:bool"
    " grpc_server_num_workers:int log_format log_level log_source_ips_enabled:bool"
    " log_source_ips_full:bool log_source_ips_header log_source_ips_regex log_request_headers:bool"
    " log_request_at_info_level_enabled:bool log_request_exclude_headers_list http_path_prefix",
)
_KVSTORE = Block("kv.Config", "store prefix consul etcd multi")
_RING_KEYS = (
    "heartbeat_period:go heartbeat_timeout:go tokens_file_path zone_awareness_enabled:bool"
    " num_tokens:int replication_factor:int instance_id instance_interface_names instance_port:int"
    " instance_addr instance_availability_zone instance_enable_ipv6:bool"
)
_RING = Block("ring.Config", _RING_KEYS, {"kvstore": _KVSTORE})
_COMMON = Block(
    "common.Config",
    "path_prefix persist_tokens:bool replication_factor:int instance_interface_names"
    " instance_addr compactor_address compactor_grpc_address scratch_path",
    {
        "ring": _RING,
        "storage": Block(
            "common.Storage",
            "s3 gcs azure alibabacloud bos swift hedging cos object_store congestion_control",
            {"filesystem": Block("common.FilesystemConfig", "chunks_directory rules_directory")},
        ),
    },
)
_PERIOD = Block(
    "config.PeriodConfig",
    "from store object_store schema row_shards:int",
    {
        "index": Block("config.IndexPeriodicTableConfig", "path_prefix prefix period:prom tags"),
        "chunks": Block("config.PeriodicTableConfig", "prefix period:prom tags"),
    },
)
_SHIPPER = (
    "active_index_directory cache_location cache_ttl:go resync_interval:go"
    " query_ready_num_days:int index_gateway_client ingestername mode ingesterdbretainperiod:go"
)
_STORAGE = Block(
    "storage.Config",
    "alibabacloud aws azure bos gcs bigtable cassandra boltdb swift cos grpc_store hedging"
    " named_stores congestion_control index_cache_validity:go disable_broad_index_queries:bool"
    " max_parallel_get_chunk:int use_thanos_objstore:bool object_store object_prefix"
    " max_chunk_batch_size:int index_queries_cache_config bloom_shipper",
    {
        "filesystem": Block("local.FSConfig", "directory"),
        "tsdb_shipper": Block("indexshipper.Config", _SHIPPER),
        "boltdb_shipper": Block("boltdb.IndexCfg", f"{_SHIPPER} build_per_tenant_index:bool"),
    },
)
_COMPACTOR = Block(
    "compactor.Config",
    "working_directory compaction_interval:go apply_retention_interval:go retention_enabled:bool"
    " retention_delete_delay:go retention_delete_worker_count:int retention_table_timeout:go"
    " retention_backoff_config delete_request_store delete_request_store_key_prefix"
    " delete_request_store_db_type backup_delete_request_store_db_type delete_batch_size:int"
    " delete_request_cancel_period:go delete_max_interval:go max_compaction_parallelism:int"
    " upload_parallelism:int tables_to_compact:int skip_latest_n_tables:int"
    " horizontal_scaling_mode worker_config jobs_config",
    {"compactor_ring": _RING},
)
_LIMITS = Block(
    "validation.plain",
    "ingestion_rate_strategy ingestion_rate_mb ingestion_burst_size_mb max_label_name_length:int"
    " max_label_value_length:int max_label_names_per_series:int reject_old_samples:bool"
    " reject_old_samples_max_age:prom creation_grace_period:prom max_line_size"
    " max_line_size_truncate:bool max_line_size_truncate_identifier"
    " increment_duplicate_timestamp:bool simulated_push_latency discover_service_name"
    " discover_generic_fields discover_log_levels:bool log_level_fields"
    " log_level_from_json_max_depth:int use_owned_stream_count:bool max_streams_per_user:int"
    " max_global_streams_per_user:int unordered_writes:bool per_stream_rate_limit"
    " per_stream_rate_limit_burst max_chunks_per_query:int max_query_series:int"
    " max_query_lookback:prom max_query_length:prom max_query_range:prom max_query_parallelism:int"
    " tsdb_max_query_parallelism:int tsdb_max_bytes_per_shard tsdb_sharding_strategy"
    " tsdb_precompute_chunks:bool cardinality_limit:int max_streams_matchers_per_query:int"
    " max_concurrent_tail_requests:int max_entries_limit_per_query:int"
    " max_cache_freshness_per_query:prom max_metadata_cache_freshness:prom"
    " max_stats_cache_freshness:prom max_queriers_per_tenant:int max_query_capacity"
    " query_ready_index_num_days:int query_timeout:prom split_queries_by_interval:prom"
    " split_metadata_queries_by_interval:prom split_recent_metadata_queries_by_interval:prom"
    " recent_metadata_query_window:prom split_instant_metric_queries_by_interval:prom"
    " split_ingester_queries_by_interval:prom min_sharding_lookback:prom max_query_bytes_read"
    " max_querier_bytes_read volume_enabled:bool volume_max_series:int"
    " ruler_max_rules_per_rule_group:int ruler_max_rule_groups_per_tenant:int"
    " ruler_alertmanager_config ruler_tenant_shard_size:int ruler_remote_write_disabled:bool"
    " ruler_remote_write_config ruler_remote_evaluation_timeout:go"
    " ruler_remote_evaluation_max_response_size:int ruler_remote_write_url"
    " ruler_remote_write_timeout ruler_remote_write_headers ruler_enable_wal_replay:bool"
    " deletion_mode retention_period:prom per_tenant_override_config"
    " per_tenant_override_period:prom allow_deletes:bool shard_streams blocked_queries"
    " required_labels minimum_labels_number:int index_gateway_shard_size:int"
    " bloom_gateway_enable_filtering:bool bloom_creation_enabled:bool"
    " bloom_split_series_keyspace_by:int bloom_block_encoding bloom_max_block_size"
    " bloom_max_bloom_size allow_structured_metadata:bool max_structured_metadata_size"
    " max_structured_metadata_entries_count:int otlp_config block_ingestion_until"
    " block_ingestion_status_code:int enforced_labels policy_enforced_labels policy_stream_mapping"
    " ingestion_partitions_tenant_shard_size:int shard_aggregations"
    " pattern_ingester_tokenizable_json_fields_default pattern_persistence_enabled:bool"
    " metric_aggregation_enabled:bool s3_sse_type s3_sse_kms_key_id s3_sse_kms_encryption_context",
    {"retention_stream": Block("validation.StreamRetention", "period:prom priority:int selector")},
)
_INGESTER = Block(
    "ingester.Config",
    "concurrent_flushes:int flush_check_period:go flush_op_backoff flush_op_timeout:go"
    " chunk_retain_period:go chunk_idle_period:go chunk_block_size chunk_target_size"
    " chunk_encoding max_chunk_age:go autoforget_unhealthy:bool sync_period:go"
    " sync_min_utilization max_returned_stream_errors:int query_store_max_look_back_period:go"
    " index_shards:int max_dropped_streams:int shutdown_marker_path"
    " owned_streams_check_interval:go kafka_ingestion delegate_stream_limits_enabled:bool",
    {
        "lifecycler": Block(
            "ring.LifecyclerConfig",
            "num_tokens:int heartbeat_period:go heartbeat_timeout:go observe_period:go"
            " join_after:go min_ready_duration:go interface_names enable_inet6:bool final_sleep:go"
            " tokens_file_path availability_zone unregister_on_shutdown:bool"
            " readiness_check_ring_health:bool address port:int id",
            {
                "ring": Block(
                    "ring.Config",
                    "heartbeat_timeout:go replication_factor:int zone_awareness_enabled:bool"
                    " excluded_zones",
                    {"kvstore": _KVSTORE},
                )
            },
        ),
        "wal": Block(
            "ingester.WALConfig",
            "enabled:bool dir checkpoint_duration:go flush_on_shutdown:bool replay_memory_ceiling"
            " disk_full_threshold",
        ),
    },
)
_CACHE = Block(
    "cache.Config",
    "default_validity:go background memcached memcached_client redis fifocache prefix",
    {
        "embedded_cache": Block(
            "cache.EmbeddedCacheConfig", "enabled:bool max_size_mb:int max_size_items:int ttl:go"
        )
    },
)
_CACHED = Block("queryrangebase.ResultsCacheConfig", "compression", {"cache": _CACHE})
_QUERY_RANGE = Block(
    "queryrange.Config",
    "align_queries_with_step:bool cache_results:bool max_retries:int"
    " parallelise_shardable_queries shard_aggregations cache_index_stats_results:bool"
    " cache_volume_results:bool cache_instant_metric_results:bool"
    " instant_metric_query_split_align:bool cache_series_results:bool cache_label_results:bool",
    {
        "results_cache": _CACHED,
        "index_stats_results_cache": _CACHED,
        "volume_results_cache": _CACHED,
        "instant_metric_results_cache": _CACHED,
        "series_results_cache": _CACHED,
        "label_results_cache": _CACHED,
    },
)
_RULER = Block(
    "ruler.Config",
    "external_url datasource_uid external_labels ruler_client evaluation_interval:go"
    " poll_interval:go rule_path alertmanager_url enable_alertmanager_discovery:bool"
    " alertmanager_refresh_interval:go enable_alertmanager_v2:bool alert_relabel_configs"
    " notification_queue_capacity:int notification_timeout:go alertmanager_client"
    " for_outage_tolerance:go for_grace_period:go resend_delay:go enable_sharding:bool"
    " sharding_strategy sharding_algo search_pending_for:go flush_period:go enable_api:bool"
    " enabled_tenants disabled_tenants query_stats_enabled:bool disable_rule_group_label:bool wal"
    " wal_cleaner remote_write evaluation",
    {
        "ring": _RING,
        "storage": Block(
            "storage.RuleStoreConfig",
            "type azure alibabacloud gcs s3 bos swift cos backend",
            {"local": Block("local.Config", "directory")},
        ),
    },
)
_FRONTEND = Block(
    "frontend.Config",
    "log_queries_longer_than:go log_query_request_headers max_body_size:int"
    " query_stats_enabled:bool max_outstanding_per_tenant:int querier_forget_delay:go"
    " scheduler_address scheduler_dns_lookup_period:go scheduler_worker_concurrency:int"
    " grpc_client_config graceful_shutdown_timeout:go instance_interface_names address port:int"
    " compress_responses:bool downstream_url tail_proxy_url tail_tls_config"
    " support_parquet_encoding:bool encoding instance_enable_ipv6:bool",
)
_ONLY_BY_NAME = (
    *(
        "ui",
        "compactor_grpc_client",
        "distributor",
        "query_engine",
        "frontend_worker",
        "ingester_client",
        "ingester_rf1",
    ),
    *("ingester_rf1_client", "block_builder", "block_scheduler", "memberlist", "index_gateway"),
    *("bloom_build", "bloom_gateway", "operational_config", "profiling", "kafka_config"),
    *("dataobj", "ingest_limits", "ingest_limits_client", "ingest_limits_frontend"),
    *("ingest_limits_frontend_client", "overrides_exporter", "internal_server"),
)
CONFIG = Block(
    "loki.ConfigWrapper",
    "target http_prefix auth_enabled:bool ballast_bytes:int shutdown_delay:go metrics_namespace",
    {
        "server": _SERVER,
        "common": _COMMON,
        "schema_config": Block("config.SchemaConfig", "", {"configs": _PERIOD}),
        "storage_config": _STORAGE,
        "compactor": _COMPACTOR,
        "limits_config": _LIMITS,
        "ingester": _INGESTER,
        "query_range": _QUERY_RANGE,
        "ruler": _RULER,
        "frontend": _FRONTEND,
        "analytics": Block("analytics.Config", "reporting_enabled:bool usage_stats_url proxy_url"),
        "chunk_store_config": Block(
            "config.ChunkStoreConfig",
            "cache_lookups_older_than:prom l2_chunk_cache_handoff:go"
            " skip_query_writeback_cache_older_than",
            {
                "chunk_cache_config": _CACHE,
                "chunk_cache_config_l2": _CACHE,
                "write_dedupe_cache_config": _CACHE,
            },
        ),
        "querier": Block(
            "querier.Config",
            "tail_max_duration:go extra_query_delay:go query_ingesters_within:go engine engine_v2"
            " max_concurrent:int query_store_only:bool query_ingester_only:bool"
            " multi_tenant_queries_enabled:bool per_request_limits_enabled:bool"
            " query_partition_ingesters:bool ingester_query_store_max_lookback:go"
            " query_patterns_enabled:bool",
        ),
        "query_scheduler": Block(
            "scheduler.Config",
            "max_outstanding_requests_per_tenant:int max_queue_hierarchy_levels:int"
            " querier_forget_delay:go grpc_client_config use_scheduler_ring:bool",
            {"scheduler_ring": _RING},
        ),
        "table_manager": Block(
            "index.TableManagerConfig",
            "throughput_updates_disabled:bool retention_deletes_enabled:bool"
            " retention_period:prom poll_interval:go creation_grace_period:go"
            " index_tables_provisioning chunk_tables_provisioning",
        ),
        "pattern_ingester": Block(
            "pattern.Config",
            "enabled:bool lifecycler client_config concurrent_flushes:int flush_check_period:go"
            " max_clusters:int max_eviction_ratio metric_aggregation pattern_persistence"
            " tee_config connection_timeout:go max_allowed_line_length:int retain_for:go"
            " max_chunk_age:go pattern_sample_interval:go volume_threshold",
        ),
        "tracing": Block("tracing.Config", "enabled:bool profiling_enabled:bool"),
        "runtime_config": Block("runtimeconfig.Config", "period:go file"),
        **dict.fromkeys(_ONLY_BY_NAME, ANYTHING),
    },
)


def read(text: str) -> dict[str, Any]:
    """The configuration that a text holds; raises `ConfigError` where Loki would not start."""
    config = load(text, CONFIG)
    _validate(config)
    return config


def retention_s(config: dict[str, Any]) -> float:
    """How old a line may get, in seconds; 0 keeps all."""
    if not block(config, "compactor").get("retention_enabled"):
        return 0
    return prometheus_seconds(str(block(config, "limits_config").get("retention_period", "0")))


def shown(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration as Loki shows it, which writes some durations in its own way."""
    limits = dict(block(config, "limits_config"))
    if "retention_period" in limits:
        period_s = prometheus_seconds(str(limits["retention_period"]))
        limits["retention_period"] = prometheus_text(period_s)
    return {**config, "limits_config": limits}


def compaction_interval_s(config: dict[str, Any]) -> float:
    """How often old lines are looked for, in seconds."""
    return seconds(str(block(config, "compactor").get("compaction_interval", "10m")))


def block(config: dict[str, Any], *names: str) -> dict[str, Any]:
    """A block by its path; empty where it is not there."""
    for name in names:
        config = config.get(name) or {}
    return config


def _validate(config: dict[str, Any]) -> None:
    compactor, limits = block(config, "compactor"), block(config, "limits_config")
    if compactor.get("retention_enabled") and not compactor.get("delete_request_store"):
        raise ConfigError(
            "CONFIG ERROR: invalid compactor config: compactor.delete-request-store should be"
            " configured when retention is enabled"
        )
    for rule in limits.get("retention_stream") or []:
        if prometheus_seconds(str(rule.get("period", "0"))) < 86400:
            raise ConfigError(
                "CONFIG ERROR: invalid limits_config config: retention period must be >= 24h"
                f" was {rule.get('period', '0')}"
            )
    _validate_periods(block(config, "schema_config").get("configs") or [], limits)


def _validate_periods(periods: list[dict[str, Any]], limits: dict[str, Any]) -> None:
    if not periods:
        raise ConfigError(
            "CONFIG ERROR: invalid schema config: must specify at least one schema configuration"
        )
    for period in periods:
        if not period.get("from"):
            raise ConfigError("CONFIG ERROR: invalid schema config: schema config without `from`")
        if period.get("store") == "tsdb" and block(period, "index").get("period") != "24h":
            raise ConfigError(
                "CONFIG ERROR: invalid schema config: tsdb must always have periodic config for"
                " index set to 24h"
            )
    last = periods[-1]
    if limits.get("allow_structured_metadata", True):
        if last.get("store") != "tsdb":
            raise ConfigError(
                "CONFIG ERROR: `tsdb` index type is required to store Structured Metadata and use"
                f" native OTLP ingestion, your index type is `{last.get('store')}`"
            )
        if last.get("schema") != "v13":
            raise ConfigError(
                "CONFIG ERROR: schema v13 is required to store Structured Metadata and use native"
                f" OTLP ingestion, your schema version is {last.get('schema')}"
            )

"""LiteLLM's settings that have no equal here, and what to do instead."""

from typing import Final

_DEFAULT_FIELD: Final = "a default for requests; let the client send it"
_PRICES: Final = "prices are not read; 'cost' of a deployment only orders deployments for balance: cheapest"
_TELLS: Final = "a word on the model, which nothing here acts on"
_BUDGET: Final = "budgets are not enforced; every call's tokens are in its record (`switchgear tail --json`)"
_CACHE: Final = "answers are not cached"
_LOGS: Final = (
    "no call-backs: every call is a record in the journal (`switchgear tail --json`), and counted in /metrics"
)
_STORE: Final = "no database is needed: keys and models stand in switchgear.yaml, which is reloaded by itself"
_HEALTH: Final = "real calls tell how a deployment is; no calls are made up to find out (see routing.breaker)"
_ALERTS: Final = "no alerts are sent; /metrics is for an alert manager"
_REDIS: Final = "each gateway counts for itself; there is nothing to share through Redis"
_GUARD: Final = "prompts and answers are not inspected"
_VERBOSE: Final = "logs are for operators as they are; the journal has every call"
_TAGS: Final = "write a split: models.<name>.splits with when: '\"TAG\" in tags'"
_RETRY_POLICY: Final = (
    "the cause decides: what is the caller's fault is not tried again, and all else is, within retries"
)
_AUTH: Final = "callers are known by virtual keys only (`switchgear key new`)"
_ADMIN: Final = "there is no admin API for keys; they stand in switchgear.yaml"

PARAMETERS: Final = {
    **dict.fromkeys(
        (
            "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "seed", "stop", "n", "user",
            "presence_penalty", "frequency_penalty", "response_format", "reasoning_effort", "thinking", "extra_body",
            "logit_bias", "stream", "tools", "tool_choice", "dimensions", "metadata", "allowed_openai_params",
        ),
        _DEFAULT_FIELD,
    ),
    **dict.fromkeys(
        ("input_cost_per_second", "output_cost_per_second", "input_cost_per_pixel", "cache_read_input_token_cost",
         "cache_creation_input_token_cost"),
        _PRICES,
    ),
    "api_version": "this kind of provider has no versions in its query; put it under the provider's 'query' if it has",
    "drop_params": "a field that the upstream does not know is a 400 that names it; list those that may be left out "
    "under 'drop' of the deployment",
    "tags": _TAGS,
    "mock_response": "the simulator answers without a vendor: a provider of kind simulator, and the model sim/echo",
    "aws_profile_name": "profiles are not read; refer to the keys by variables",
    "aws_role_name": "roles are not assumed; give keys, or put a Bedrock API key into api_key",
    "aws_session_name": "roles are not assumed; give keys, or put a Bedrock API key into api_key",
    "aws_web_identity_token": "roles are not assumed; give keys, or put a Bedrock API key into api_key",
    "azure_ad_token": "write it as api_key, with options {auth: bearer}",
    "tenant_id": "Entra ID is not asked for tokens; give a token as api_key, with options {auth: bearer}",
    "client_id": "Entra ID is not asked for tokens; give a token as api_key, with options {auth: bearer}",
    "client_secret": "Entra ID is not asked for tokens; give a token as api_key, with options {auth: bearer}",
    "litellm_credential_name": "no credential has this name; write the provider's api_key by hand",
    "configurable_clientside_auth_params": "clients cannot bring a vendor's key or address",
    "max_budget": _BUDGET,
    "budget_duration": _BUDGET,
    "cooldown_time": "'breaker: {open_seconds: ...}' of the model, for all of its deployments",
    "use_in_pass_through": "'passthrough: true' of the provider",
    "region_name": "the provider's base_url or options say the region",
    "merge_reasoning_content_in_choices": "answers come as the client's dialect has them, reasoning included",
}  # fmt: skip

MODEL_INFO: Final = {
    **dict.fromkeys(
        ("mode", "base_model", "max_tokens", "max_input_tokens", "max_output_tokens", "supports_vision",
         "supports_function_calling", "supported_environments", "team_id", "db_model", "description", "tier",
         "litellm_provider", "key", "created_at", "updated_at", "version", "supports_prompt_caching"),
        _TELLS,
    ),
    "id": "a deployment is called 'provider/model' here, in records and in x-switchgear-deployment",
    "access_groups": "list the names, or prefixes that end in '*', under 'models' of a key",
    "health_check_model": _HEALTH,
    "health_check_timeout": _HEALTH,
}  # fmt: skip

ROUTER: Final = {
    **dict.fromkeys(("redis_host", "redis_port", "redis_password", "redis_url", "redis_db", "cache_kwargs"), _REDIS),
    **dict.fromkeys(("cache_responses", "caching_groups", "client_ttl"), _CACHE),
    **dict.fromkeys(("set_verbose", "debug_level"), _VERBOSE),
    **dict.fromkeys(("enable_tag_filtering", "tag_filtering_match_any"), _TAGS),
    **dict.fromkeys(
        ("retry_policy", "model_group_retry_policy", "allowed_fails_policy", "model_group_allowed_fails_policy"),
        _RETRY_POLICY,
    ),
    **dict.fromkeys(("provider_budget_config", "deployment_budget"), _BUDGET),
    **dict.fromkeys(("alerting_config", "router_general_settings"), _ALERTS),
    "enable_pre_call_check": "prompts are not counted before a call; where the upstream says that one is too long, "
    "fallbacks.context_length goes on",
    "enable_pre_call_checks": "prompts are not counted before a call; where the upstream says that one is too long, "
    "fallbacks.context_length goes on",
    "optional_pre_call_checks": "'affinity: prompt' keeps a conversation where its prompt is cached",
    "routing_strategy_args": "each way of balancing has what it needs; see 'balance'",
    "max_fallbacks": "no name is entered twice, and twelve attempts are the most that a call gets",
    "default_litellm_params": "say it with each provider or deployment",
    "polling_interval": _HEALTH,
    "assistants_config": "assistants are not served",
    "default_max_parallel_requests": "max_in_flight of each deployment",
    "default_priority": "x-switchgear-priority: high, normal or low, for the line before a full deployment",
}

LITELLM: Final = {
    **dict.fromkeys(
        ("success_callback", "failure_callback", "callbacks", "service_callbacks", "langfuse_default_tags",
         "callback_settings", "s3_callback_params", "langsmith_batch_size", "datadog_params", "gcs_bucket_name",
         "prometheus_metrics_config", "custom_prometheus_metadata_labels", "standard_logging_payload_excluded_fields"),
        _LOGS,
    ),
    **dict.fromkeys(
        ("max_budget", "budget_duration", "max_internal_user_budget", "internal_user_budget_duration",
         "max_end_user_budget", "max_user_budget", "default_max_internal_user_budget", "default_team_settings",
         "max_ui_session_budget"),
        _BUDGET,
    ),
    **dict.fromkeys(("cache", "cache_params", "enable_caching_on_provider_specific_optional_params"), _CACHE),
    **dict.fromkeys(("set_verbose", "json_logs", "log_raw_request_response", "suppress_debug_info"), _VERBOSE),
    **dict.fromkeys(
        ("guardrails", "enable_json_schema_validation", "blocked_user_list", "banned_keywords_list"), _GUARD
    ),
    **dict.fromkeys(
        ("default_internal_user_params", "upperbound_key_generate_params", "key_generation_settings",
         "default_key_generate_params", "default_team_params"),
        _ADMIN,
    ),
    "drop_params": "a field that the upstream does not know is a 400 that names it; list those that may be left out "
    "under 'drop' of each deployment",
    "modify_params": "requests are not changed to please an upstream; what it cannot take is a 400 that names it",
    "turn_off_message_logging": "nothing to do: neither prompts nor answers are recorded",
    "redact_user_api_key_info": "nothing to do: records hold a key's name, never the key",
    "redact_messages_in_exceptions": "nothing to do: neither prompts nor answers are recorded",
    "telemetry": "nothing to do: nothing is sent home",
    "force_ipv4": "addresses are tried as the system resolves them",
    "ssl_verify": "certificates are always checked; put a private authority into the system's store",
    "ssl_certificate": "TLS for clients belongs to a proxy in front",
    "retry_policy": _RETRY_POLICY,
    "enable_preview_features": "there are none",
    "tag_budget_config": _BUDGET,
    "mcp_aliases": "tools' servers are not proxied",
    "public_model_groups": "GET /v1/models lists what a key may call",
    "disable_end_user_cost_tracking": _BUDGET,
    "disable_end_user_cost_tracking_prometheus_only": _BUDGET,
    "disable_hf_tokenizer_download": "prompts are not counted here; usage is the upstream's own word",
    "enable_key_alias_format_validation": _ADMIN,
    "use_chat_completions_url_for_anthropic_messages": "nothing to do: /v1/messages is translated to what "
    "each provider speaks",
    "max_parallel_requests": "max_in_flight of each deployment",
    "credential_list": "write the keys with the providers",
}  # fmt: skip

GENERAL: Final = {
    **dict.fromkeys(
        ("database_url", "database_type", "database_args", "database_connection_pool_limit",
         "database_connection_timeout", "database_connection_pool_timeout", "store_model_in_db",
         "store_prompts_in_spend_logs", "disable_spend_logs", "disable_spend_updates",
         "allow_requests_on_db_unavailable",
         "proxy_batch_write_at", "proxy_budget_rescheduler_min_time", "proxy_budget_rescheduler_max_time",
         "maximum_spend_logs_retention_period", "maximum_spend_logs_retention_interval", "disable_prisma_schema_update",
         "salt_key", "control_plane_url", "proxy_batch_polling_interval", "use_redis_transaction_buffer",
         "supported_db_objects", "config_poll_interval"),
        _STORE,
    ),
    **dict.fromkeys(
        ("custom_auth", "enable_jwt_auth", "litellm_jwtauth", "enable_oauth2_auth", "enable_oauth2_proxy_auth",
         "allowed_ips", "allowed_routes", "public_routes", "use_x_forwarded_for", "litellm_key_header_name",
         "user_header_name", "user_header_mappings", "enforce_user_param", "reject_clientside_metadata_tags",
         "oauth2_config_mappings", "allow_user_auth", "service_account_settings", "admin_only_routes",
         "user_api_key_cache_ttl", "key_management_system", "key_management_settings", "use_google_kms",
         "use_azure_key_vault",
         "role_permissions", "custom_key_generate", "custom_sso", "ui_access_mode"),
        _AUTH,
    ),
    **dict.fromkeys(
        ("background_health_checks", "health_check_interval", "health_check_details", "use_shared_health_check",
         "health_check_concurrency"),
        _HEALTH,
    ),
    **dict.fromkeys(
        ("alerting", "alerting_threshold", "alert_types", "alert_to_webhook_url", "alerting_args",
         "spend_report_frequency"),
        _ALERTS,
    ),
    **dict.fromkeys(("max_budget", "budget_duration", "disable_reset_budget"), _BUDGET),
    "infer_model_from_keys": "each provider stands in the file; without a file, `serve` finds them by their keys",
    "pass_through_endpoints": "declare the target as a provider, and the path under 'passthrough'",
    **dict.fromkeys(
        ("image_generation_model", "embedding_model", "moderation_model"), "a call must name its model"
    ),
    "enforced_params": "fields are not asked for; what a call says of itself is recorded",
    "max_request_size_mb": "server.max_body_bytes, and server.max_upload_bytes for files and forms",
    "coordination_redis": _REDIS,
    "default_team_disabled": _ADMIN,
    "user_mcp_management_mode": "tools' servers are not proxied",
    "litellm_license": "nothing to do: there is none",
    "forward_openai_org_id": "each kind of provider forwards the headers that its vendor documents",
    "allow_client_side_credentials": "clients cannot bring a vendor's key or address",
    "use_client_credentials_pass_through_routes": "clients cannot bring a vendor's key or address",
    "disable_responses_id_security": "a response is known to the key that asked for it",
    "disable_retry_on_max_parallel_request_limit_error": "a full deployment has a line; see max_waiting",
    "completion_model": "a call must name its model",
    "forward_client_headers_to_llm_api": "each kind of provider forwards the headers that its vendor documents",
    "global_max_parallel_requests": "max_in_flight of each deployment",
    "max_parallel_requests": "max_in_flight of each deployment",
    "max_response_size_mb": "an answer is bounded at 256 MiB",
    "disable_master_key_return": "nothing to do: no key is ever shown",
    "disable_adding_master_key_hash_to_db": "nothing to do: there is no database",
    "otel": _LOGS,
    "environment_variables": "set them where `switchgear serve` is started",
}  # fmt: skip

TOP: Final = {
    "guardrails": _GUARD,
    "callback_settings": _LOGS,
    "include": "one file holds everything; import each file by itself, and put the results together",
    "mcp_servers": "tools' servers are not proxied",
    "mcp_tools": "tools' servers are not proxied",
    "files_settings": "files are not served",
    "finetune_settings": "fine-tuning is not served",
    "vector_store_registry": "vector stores are not served",
    "assistant_settings": "assistants are not served",
    "search_tools": "searches are not served",
    "prompts": "prompts are not kept here",
    "litellm_jwtauth": _AUTH,
    "agent_list": "agents are not served",
}

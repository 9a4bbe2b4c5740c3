"""What each route that MLflow 3.17.2 has asks of a caller, one line a route.

``{api}`` stands for ``api`` and its twin ``ajax-api``. A test enumerates MLflow's own routes, takes
the decisions that MLflow's own authorization tables make, and compares both with this table; a
route that is missing here is denied when the service runs.
"""

from typing import Final

PUBLIC: Final = """
GET    /health
"""
"""Answers anybody; nothing in it belongs to a project."""

READ: Final = """
GET    /
POST   /ajax-api/2.0/mlflow/experiments/search-datasets
GET    /ajax-api/2.0/mlflow/gateway-proxy
GET    /ajax-api/2.0/mlflow/get-trace-artifact
GET    /ajax-api/2.0/mlflow/logged-models/<model_id>/artifacts/files
GET    /ajax-api/2.0/mlflow/metrics/get-history-bulk
GET    /ajax-api/3.0/mlflow/assistant/config
GET    /ajax-api/3.0/mlflow/assistant/providers
GET    /ajax-api/3.0/mlflow/gateway/provider-config
GET    /ajax-api/3.0/mlflow/gateway/secrets/config
GET    /ajax-api/3.0/mlflow/gateway/supported-models
GET    /ajax-api/3.0/mlflow/gateway/supported-providers
GET    /ajax-api/3.0/mlflow/get-trace-artifact
GET    /ajax-api/3.0/mlflow/ui-telemetry
POST   /ajax-api/3.0/mlflow/ui-telemetry
GET    /build/<path:filename>
GET    /get-artifact
POST   /graphql
GET    /model-versions/get-artifact
GET    /static-files/<path:path>
GET    /version
GET    /{api}/2.0/mlflow-artifacts/artifacts
GET    /{api}/2.0/mlflow-artifacts/artifacts/<path:artifact_path>
GET    /{api}/2.0/mlflow-artifacts/presigned/<path:artifact_path>
GET    /{api}/2.0/mlflow/artifacts/list
POST   /{api}/2.0/mlflow/artifacts/presigned-download-url
GET    /{api}/2.0/mlflow/experiments/get
GET    /{api}/2.0/mlflow/experiments/get-by-name
GET    /{api}/2.0/mlflow/experiments/search
POST   /{api}/2.0/mlflow/experiments/search
GET    /{api}/2.0/mlflow/logged-models/<model_id>
GET    /{api}/2.0/mlflow/logged-models/<model_id>/artifacts/directories
POST   /{api}/2.0/mlflow/logged-models/search
GET    /{api}/2.0/mlflow/metrics/get-history
GET    /{api}/2.0/mlflow/metrics/get-history-bulk-interval
GET    /{api}/2.0/mlflow/model-versions/get
GET    /{api}/2.0/mlflow/model-versions/get-download-uri
GET    /{api}/2.0/mlflow/model-versions/search
GET    /{api}/2.0/mlflow/registered-models/alias
GET    /{api}/2.0/mlflow/registered-models/get
GET    /{api}/2.0/mlflow/registered-models/get-latest-versions
POST   /{api}/2.0/mlflow/registered-models/get-latest-versions
GET    /{api}/2.0/mlflow/registered-models/search
GET    /{api}/2.0/mlflow/runs/get
POST   /{api}/2.0/mlflow/runs/search
GET    /{api}/2.0/mlflow/traces
GET    /{api}/2.0/mlflow/traces/<request_id>/info
GET    /{api}/3.0/mlflow/datasets/<dataset_id>
GET    /{api}/3.0/mlflow/datasets/<dataset_id>/experiment-ids
GET    /{api}/3.0/mlflow/datasets/<dataset_id>/records
GET    /{api}/3.0/mlflow/datasets/search
POST   /{api}/3.0/mlflow/datasets/search
GET    /{api}/3.0/mlflow/gateway/budgets/get
GET    /{api}/3.0/mlflow/gateway/budgets/list
GET    /{api}/3.0/mlflow/gateway/budgets/windows
GET    /{api}/3.0/mlflow/gateway/endpoints/bindings/list
GET    /{api}/3.0/mlflow/gateway/endpoints/get
GET    /{api}/3.0/mlflow/gateway/endpoints/list
GET    /{api}/3.0/mlflow/gateway/guardrails/get
GET    /{api}/3.0/mlflow/gateway/guardrails/list
GET    /{api}/3.0/mlflow/gateway/guardrails/list-for-endpoint
GET    /{api}/3.0/mlflow/gateway/model-definitions/get
GET    /{api}/3.0/mlflow/gateway/model-definitions/list
GET    /{api}/3.0/mlflow/gateway/secrets/get
GET    /{api}/3.0/mlflow/gateway/secrets/list
GET    /{api}/3.0/mlflow/issues/<issue_id>
POST   /{api}/3.0/mlflow/issues/search
GET    /{api}/3.0/mlflow/label-schemas/get
GET    /{api}/3.0/mlflow/label-schemas/get-by-name
GET    /{api}/3.0/mlflow/label-schemas/list
GET    /{api}/3.0/mlflow/mcp-servers
GET    /{api}/3.0/mlflow/mcp-servers/<path:name>
GET    /{api}/3.0/mlflow/mcp-servers/<path:name>/aliases/<path:alias>
GET    /{api}/3.0/mlflow/mcp-servers/<path:name>/endpoints
GET    /{api}/3.0/mlflow/mcp-servers/<path:name>/endpoints/<endpoint_id>
GET    /{api}/3.0/mlflow/mcp-servers/<path:name>/versions
GET    /{api}/3.0/mlflow/mcp-servers/<path:name>/versions/<path:version>
GET    /{api}/3.0/mlflow/mcp-servers/endpoints
GET    /{api}/3.0/mlflow/prompt-optimization/jobs/<job_id>
GET    /{api}/3.0/mlflow/prompt-optimization/jobs/search
POST   /{api}/3.0/mlflow/prompt-optimization/jobs/search
GET    /{api}/3.0/mlflow/review-queues/get
GET    /{api}/3.0/mlflow/review-queues/get-by-name
GET    /{api}/3.0/mlflow/review-queues/items/list
GET    /{api}/3.0/mlflow/review-queues/list
GET    /{api}/3.0/mlflow/scorers/get
GET    /{api}/3.0/mlflow/scorers/list
GET    /{api}/3.0/mlflow/scorers/online-configs
GET    /{api}/3.0/mlflow/scorers/versions
GET    /{api}/3.0/mlflow/server-info
GET    /{api}/3.0/mlflow/traces/<trace_id>
GET    /{api}/3.0/mlflow/traces/<trace_id>/assessments/<assessment_id>
GET    /{api}/3.0/mlflow/traces/batchGet
POST   /{api}/3.0/mlflow/traces/batchGetInfos
POST   /{api}/3.0/mlflow/traces/calculate-filter-correlation
GET    /{api}/3.0/mlflow/traces/get
POST   /{api}/3.0/mlflow/traces/metrics
POST   /{api}/3.0/mlflow/traces/search
"""
"""Asks for ``mlflow:read``."""

WRITE: Final = """
POST   /ajax-api/2.0/mlflow/runs/create-promptlab-run
POST   /ajax-api/2.0/mlflow/upload-artifact
POST   /v1/traces
DELETE /{api}/2.0/mlflow-artifacts/artifacts/<path:artifact_path>
PUT    /{api}/2.0/mlflow-artifacts/artifacts/<path:artifact_path>
POST   /{api}/2.0/mlflow-artifacts/mpu/abort/<path:artifact_path>
POST   /{api}/2.0/mlflow-artifacts/mpu/complete/<path:artifact_path>
POST   /{api}/2.0/mlflow-artifacts/mpu/create/<path:artifact_path>
POST   /{api}/2.0/mlflow/artifacts/presigned-upload-url
POST   /{api}/2.0/mlflow/experiments/create
POST   /{api}/2.0/mlflow/experiments/delete
POST   /{api}/2.0/mlflow/experiments/delete-experiment-tag
POST   /{api}/2.0/mlflow/experiments/restore
POST   /{api}/2.0/mlflow/experiments/set-experiment-tag
POST   /{api}/2.0/mlflow/experiments/update
POST   /{api}/2.0/mlflow/logged-models
DELETE /{api}/2.0/mlflow/logged-models/<model_id>
PATCH  /{api}/2.0/mlflow/logged-models/<model_id>
POST   /{api}/2.0/mlflow/logged-models/<model_id>/params
PATCH  /{api}/2.0/mlflow/logged-models/<model_id>/tags
DELETE /{api}/2.0/mlflow/logged-models/<model_id>/tags/<tag_key>
POST   /{api}/2.0/mlflow/model-versions/create
DELETE /{api}/2.0/mlflow/model-versions/delete
DELETE /{api}/2.0/mlflow/model-versions/delete-tag
POST   /{api}/2.0/mlflow/model-versions/set-tag
POST   /{api}/2.0/mlflow/model-versions/transition-stage
PATCH  /{api}/2.0/mlflow/model-versions/update
DELETE /{api}/2.0/mlflow/registered-models/alias
POST   /{api}/2.0/mlflow/registered-models/alias
POST   /{api}/2.0/mlflow/registered-models/create
DELETE /{api}/2.0/mlflow/registered-models/delete
DELETE /{api}/2.0/mlflow/registered-models/delete-tag
POST   /{api}/2.0/mlflow/registered-models/rename
POST   /{api}/2.0/mlflow/registered-models/set-tag
PATCH  /{api}/2.0/mlflow/registered-models/update
POST   /{api}/2.0/mlflow/runs/create
POST   /{api}/2.0/mlflow/runs/delete
POST   /{api}/2.0/mlflow/runs/delete-tag
POST   /{api}/2.0/mlflow/runs/log-batch
POST   /{api}/2.0/mlflow/runs/log-inputs
POST   /{api}/2.0/mlflow/runs/log-metric
POST   /{api}/2.0/mlflow/runs/log-model
POST   /{api}/2.0/mlflow/runs/log-parameter
POST   /{api}/2.0/mlflow/runs/outputs
POST   /{api}/2.0/mlflow/runs/restore
POST   /{api}/2.0/mlflow/runs/set-tag
POST   /{api}/2.0/mlflow/runs/update
POST   /{api}/2.0/mlflow/traces
PATCH  /{api}/2.0/mlflow/traces/<request_id>
DELETE /{api}/2.0/mlflow/traces/<request_id>/tags
PATCH  /{api}/2.0/mlflow/traces/<request_id>/tags
POST   /{api}/2.0/mlflow/traces/delete-traces
POST   /{api}/2.0/mlflow/traces/link-prompts
POST   /{api}/2.0/mlflow/traces/link-to-run
DELETE /{api}/3.0/mlflow/datasets/<dataset_id>
POST   /{api}/3.0/mlflow/datasets/<dataset_id>/add-experiments
DELETE /{api}/3.0/mlflow/datasets/<dataset_id>/records
POST   /{api}/3.0/mlflow/datasets/<dataset_id>/records
POST   /{api}/3.0/mlflow/datasets/<dataset_id>/remove-experiments
PATCH  /{api}/3.0/mlflow/datasets/<dataset_id>/tags
DELETE /{api}/3.0/mlflow/datasets/<dataset_id>/tags/<key>
POST   /{api}/3.0/mlflow/datasets/create
POST   /{api}/3.0/mlflow/issues
PATCH  /{api}/3.0/mlflow/issues/<issue_id>
POST   /{api}/3.0/mlflow/label-schemas/create
DELETE /{api}/3.0/mlflow/label-schemas/delete
PATCH  /{api}/3.0/mlflow/label-schemas/update
POST   /{api}/3.0/mlflow/mcp-servers
DELETE /{api}/3.0/mlflow/mcp-servers/<path:name>
PATCH  /{api}/3.0/mlflow/mcp-servers/<path:name>
POST   /{api}/3.0/mlflow/mcp-servers/<path:name>/aliases
DELETE /{api}/3.0/mlflow/mcp-servers/<path:name>/aliases/<path:alias>
POST   /{api}/3.0/mlflow/mcp-servers/<path:name>/endpoints
DELETE /{api}/3.0/mlflow/mcp-servers/<path:name>/endpoints/<endpoint_id>
PATCH  /{api}/3.0/mlflow/mcp-servers/<path:name>/endpoints/<endpoint_id>
POST   /{api}/3.0/mlflow/mcp-servers/<path:name>/tags
DELETE /{api}/3.0/mlflow/mcp-servers/<path:name>/tags/<path:key>
POST   /{api}/3.0/mlflow/mcp-servers/<path:name>/versions
DELETE /{api}/3.0/mlflow/mcp-servers/<path:name>/versions/<path:version>
PATCH  /{api}/3.0/mlflow/mcp-servers/<path:name>/versions/<path:version>
POST   /{api}/3.0/mlflow/mcp-servers/<path:name>/versions/<path:version>/tags
DELETE /{api}/3.0/mlflow/mcp-servers/<path:name>/versions/<path:version>/tags/<path:key>
POST   /{api}/3.0/mlflow/review-queues/create
POST   /{api}/3.0/mlflow/review-queues/delete
POST   /{api}/3.0/mlflow/review-queues/get-or-create-user
POST   /{api}/3.0/mlflow/review-queues/items/add
POST   /{api}/3.0/mlflow/review-queues/items/remove
POST   /{api}/3.0/mlflow/review-queues/items/set-status
POST   /{api}/3.0/mlflow/review-queues/update
DELETE /{api}/3.0/mlflow/scorers/delete
PUT    /{api}/3.0/mlflow/scorers/online-config
POST   /{api}/3.0/mlflow/scorers/register
POST   /{api}/3.0/mlflow/traces
POST   /{api}/3.0/mlflow/traces/<trace_id>/assessments
DELETE /{api}/3.0/mlflow/traces/<trace_id>/assessments/<assessment_id>
PATCH  /{api}/3.0/mlflow/traces/<trace_id>/assessments/<assessment_id>
DELETE /{api}/3.0/mlflow/traces/<trace_id>/tags
PATCH  /{api}/3.0/mlflow/traces/<trace_id>/tags
POST   /{api}/3.0/mlflow/traces/delete-traces
"""
"""Asks for ``mlflow:write``."""

DENIED: Final = """
POST   /ajax-api/2.0/mlflow/gateway-proxy
POST   /ajax-api/3.0/jobs/
GET    /ajax-api/3.0/jobs/<job_id>
PATCH  /ajax-api/3.0/jobs/cancel/<job_id>
POST   /ajax-api/3.0/jobs/search
PUT    /ajax-api/3.0/mlflow/assistant/config
POST   /ajax-api/3.0/mlflow/assistant/message
GET    /ajax-api/3.0/mlflow/assistant/providers/<provider>/health
GET    /ajax-api/3.0/mlflow/assistant/providers/<provider>/models
PATCH  /ajax-api/3.0/mlflow/assistant/sessions/<session_id>
POST   /ajax-api/3.0/mlflow/assistant/sessions/<session_id>/permission
GET    /ajax-api/3.0/mlflow/assistant/sessions/<session_id>/stream
POST   /ajax-api/3.0/mlflow/assistant/sessions/<session_id>/tool-result
POST   /ajax-api/3.0/mlflow/assistant/skills/install
POST   /ajax-api/3.0/mlflow/demo/delete
POST   /ajax-api/3.0/mlflow/demo/generate
POST   /ajax-api/3.0/mlflow/genai/evaluate/invoke
POST   /ajax-api/3.0/mlflow/issues/invoke
GET    /ajax-api/3.0/mlflow/jobs/<job_id>
PATCH  /ajax-api/3.0/mlflow/jobs/cancel/<job_id>
POST   /ajax-api/3.0/mlflow/scorer/invoke
POST   /gateway/<endpoint_name>/mlflow/invocations
POST   /gateway/anthropic/v1/messages
POST   /gateway/gemini/v1beta/models/<endpoint_name>:generateContent
POST   /gateway/gemini/v1beta/models/<endpoint_name>:streamGenerateContent
POST   /gateway/mlflow/v1/chat/completions
GET    /gateway/mlflow/v1/models
POST   /gateway/openai/v1/chat/completions
POST   /gateway/openai/v1/embeddings
POST   /gateway/openai/v1/responses
POST   /gateway/openai/v1/responses/compact
POST   /gateway/proxy/<endpoint_name>/<path:path>
POST   /gateway/typesafe/v1/systemone
GET    /graphql
GET    /{api}/2.0/mlflow/get-online-trace-details
GET    /{api}/2.0/mlflow/unified-traces
GET    /{api}/2.0/mlflow/webhooks
POST   /{api}/2.0/mlflow/webhooks
DELETE /{api}/2.0/mlflow/webhooks/<webhook_id>
GET    /{api}/2.0/mlflow/webhooks/<webhook_id>
PATCH  /{api}/2.0/mlflow/webhooks/<webhook_id>
POST   /{api}/2.0/mlflow/webhooks/<webhook_id>/test
POST   /{api}/2.0mlflow/experiments/search-datasets
POST   /{api}/3.0/mlflow/gateway/budgets/create
DELETE /{api}/3.0/mlflow/gateway/budgets/delete
POST   /{api}/3.0/mlflow/gateway/budgets/update
POST   /{api}/3.0/mlflow/gateway/endpoints/bindings/create
DELETE /{api}/3.0/mlflow/gateway/endpoints/bindings/delete
POST   /{api}/3.0/mlflow/gateway/endpoints/create
DELETE /{api}/3.0/mlflow/gateway/endpoints/delete
DELETE /{api}/3.0/mlflow/gateway/endpoints/delete-tag
POST   /{api}/3.0/mlflow/gateway/endpoints/models/attach
POST   /{api}/3.0/mlflow/gateway/endpoints/models/detach
POST   /{api}/3.0/mlflow/gateway/endpoints/set-tag
POST   /{api}/3.0/mlflow/gateway/endpoints/update
POST   /{api}/3.0/mlflow/gateway/guardrails/add-to-endpoint
POST   /{api}/3.0/mlflow/gateway/guardrails/create
DELETE /{api}/3.0/mlflow/gateway/guardrails/delete
DELETE /{api}/3.0/mlflow/gateway/guardrails/remove-from-endpoint
PATCH  /{api}/3.0/mlflow/gateway/guardrails/update-config
POST   /{api}/3.0/mlflow/gateway/model-definitions/create
DELETE /{api}/3.0/mlflow/gateway/model-definitions/delete
POST   /{api}/3.0/mlflow/gateway/model-definitions/update
POST   /{api}/3.0/mlflow/gateway/secrets/create
DELETE /{api}/3.0/mlflow/gateway/secrets/delete
POST   /{api}/3.0/mlflow/gateway/secrets/update
POST   /{api}/3.0/mlflow/prompt-optimization/jobs
DELETE /{api}/3.0/mlflow/prompt-optimization/jobs/<job_id>
POST   /{api}/3.0/mlflow/prompt-optimization/jobs/<job_id>/cancel
GET    /{api}/3.0/mlflow/workspaces
POST   /{api}/3.0/mlflow/workspaces
DELETE /{api}/3.0/mlflow/workspaces/<workspace_name>
GET    /{api}/3.0/mlflow/workspaces/<workspace_name>
PATCH  /{api}/3.0/mlflow/workspaces/<workspace_name>
"""
"""Not offered to anybody.

Workspaces are made with their project, never through MLflow: its routes can point one project at
the files of another, deletion leaves the files for the next owner of the name, and a list of them
is a list of tenants. Webhooks are remembered by each process for all workspaces alike, so one
project's events would reach the URLs of another, and their secrets are encrypted with a key that
each process makes up. The AI gateway, jobs, server-side evaluation and the assistant run code or
send requests from inside the network. The demo writes for many seconds. GraphQL by GET has no
query that MLflow would read. The rest MLflow itself does not implement.
"""

-- Tables for access logs that are shipped as they are, a line each: `clickhouse-client --multiquery < tables.sql`.
-- The views of ../sql/clickhouse.sql then answer of `tollgate_calls`.

-- Takes lines and keeps none.
create table if not exists tollgate_lines (message String) engine = Null;

-- A shipper sends a line again if it does not know whether it arrived: of lines with one id one is kept.
create table if not exists tollgate_calls_shipped (
  id String,
  time DateTime64(6, 'UTC'),
  operation LowCardinality(Nullable(String)),
  provider LowCardinality(String),
  model LowCardinality(Nullable(String)),
  request_model LowCardinality(Nullable(String)),
  response_model LowCardinality(Nullable(String)),
  team Nullable(String),
  feature Nullable(String),
  customer Nullable(String),
  workflow Nullable(String),
  environment Nullable(String),
  input_tokens Nullable(Int64),
  cache_read_tokens Nullable(Int64),
  cache_write_tokens Nullable(Int64),
  output_tokens Nullable(Int64),
  reasoning_tokens Nullable(Int64),
  usage_source LowCardinality(Nullable(String)),
  cost_status LowCardinality(String),
  cost_usd Nullable(Decimal(38, 12)),
  list_usd Nullable(Decimal(38, 12)),
  decision LowCardinality(Nullable(String)),
  rule LowCardinality(Nullable(String)),
  http_status Nullable(Int64),
  duration_ms Nullable(Int64),
  price_version LowCardinality(Nullable(String)),
  record String
) engine = ReplacingMergeTree order by id;

create view if not exists tollgate_calls as select * from tollgate_calls_shipped final;

-- The record stands in the field `tollgate` of a line, under `value` where Envoy wraps it. Absent means unknown, so it is null.
create materialized view if not exists tollgate_calls_of_lines to tollgate_calls_shipped as
with if(JSONHas(message, 'tollgate', 'value'), JSONExtractRaw(message, 'tollgate', 'value'), JSONExtractRaw(message, 'tollgate')) as r
select
  JSONExtractString(r, 'tollgate.id') as id,
  parseDateTime64BestEffort(JSONExtractString(r, 'tollgate.time'), 6, 'UTC') as time,
  JSONExtract(r, 'gen_ai.operation.name', 'Nullable(String)') as operation,
  JSONExtractString(r, 'gen_ai.provider.name') as provider,
  coalesce(JSONExtract(r, 'gen_ai.response.model', 'Nullable(String)'), JSONExtract(r, 'gen_ai.request.model', 'Nullable(String)')) as model,
  JSONExtract(r, 'gen_ai.request.model', 'Nullable(String)') as request_model,
  JSONExtract(r, 'gen_ai.response.model', 'Nullable(String)') as response_model,
  JSONExtract(r, 'tollgate.tags', 'team', 'Nullable(String)') as team,
  JSONExtract(r, 'tollgate.tags', 'feature', 'Nullable(String)') as feature,
  JSONExtract(r, 'tollgate.tags', 'customer', 'Nullable(String)') as customer,
  JSONExtract(r, 'tollgate.tags', 'workflow', 'Nullable(String)') as workflow,
  JSONExtract(r, 'tollgate.tags', 'environment', 'Nullable(String)') as environment,
  JSONExtract(r, 'gen_ai.usage.input_tokens', 'Nullable(Int64)') as input_tokens,
  JSONExtract(r, 'gen_ai.usage.cache_read.input_tokens', 'Nullable(Int64)') as cache_read_tokens,
  JSONExtract(r, 'gen_ai.usage.cache_creation.input_tokens', 'Nullable(Int64)') as cache_write_tokens,
  JSONExtract(r, 'gen_ai.usage.output_tokens', 'Nullable(Int64)') as output_tokens,
  JSONExtract(r, 'gen_ai.usage.reasoning.output_tokens', 'Nullable(Int64)') as reasoning_tokens,
  JSONExtract(r, 'tollgate.usage.source', 'Nullable(String)') as usage_source,
  JSONExtractString(r, 'tollgate.cost.status') as cost_status,
  toDecimal128OrNull(JSONExtractString(r, 'tollgate.cost.usd'), 12) as cost_usd,
  toDecimal128OrNull(JSONExtractString(r, 'tollgate.cost.list_usd'), 12) as list_usd,
  JSONExtract(r, 'tollgate.decision.action', 'Nullable(String)') as decision,
  JSONExtract(r, 'tollgate.decision.rule', 'Nullable(String)') as rule,
  JSONExtract(r, 'tollgate.http.status', 'Nullable(Int64)') as http_status,
  JSONExtract(r, 'tollgate.duration_ms', 'Nullable(Int64)') as duration_ms,
  JSONExtract(r, 'tollgate.price.version', 'Nullable(String)') as price_version,
  r as record
from tollgate_lines
where JSONHas(r, 'tollgate.schema');

-- Lines that hold no call, by day: traffic that is none, and what is no JSON, as torn lines. Nothing goes without a trace.
create table if not exists tollgate_other_lines (day Date, is_json UInt8, lines UInt64) engine = SummingMergeTree order by (day, is_json);

create materialized view if not exists tollgate_others_of_lines to tollgate_other_lines as
select today() as day, isValidJSON(message) as is_json, count() as lines
from tollgate_lines
where not (JSONHas(message, 'tollgate', 'tollgate.schema') or JSONHas(message, 'tollgate', 'value', 'tollgate.schema'))
group by day, is_json;

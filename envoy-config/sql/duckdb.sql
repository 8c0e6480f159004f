-- The five views of `tollgate report` over a table of calls, for DuckDB. Times are UTC.
--   tollgate export 'logs/*.gz' --parquet calls.parquet
--   create view tollgate_calls as select * from 'calls.parquet';

-- view: feature
select
  coalesce(feature, 'untagged') as feature,
  count(*) as calls,
  coalesce(sum(cost_usd), 0) as cost_usd,
  coalesce(sum(input_tokens), 0) as input_tokens,
  coalesce(sum(cache_read_tokens), 0) as cache_read_tokens,
  coalesce(sum(output_tokens), 0) as output_tokens,
  count(*) filter (where cost_status = 'not_sent') as refused_calls
from tollgate_calls
group by 1
order by cost_usd desc;

-- view: model
select
  provider, model,
  count(*) as calls,
  coalesce(sum(cost_usd), 0) as cost_usd,
  coalesce(sum(input_tokens), 0) as input_tokens,
  coalesce(sum(cache_read_tokens), 0) as cache_read_tokens,
  coalesce(sum(output_tokens), 0) as output_tokens,
  count(*) filter (where cost_status = 'not_sent') as refused_calls
from tollgate_calls
group by 1, 2
order by cost_usd desc;

-- view: team
select
  coalesce(team, 'untagged') as team,
  count(*) as calls,
  coalesce(sum(cost_usd), 0) as cost_usd,
  coalesce(sum(input_tokens), 0) as input_tokens,
  coalesce(sum(cache_read_tokens), 0) as cache_read_tokens,
  coalesce(sum(output_tokens), 0) as output_tokens,
  count(*) filter (where cost_status = 'not_sent') as refused_calls
from tollgate_calls
group by 1
order by cost_usd desc;

-- view: customer
select
  coalesce(customer, 'untagged') as customer,
  count(*) as calls,
  coalesce(sum(cost_usd), 0) as cost_usd,
  coalesce(sum(input_tokens), 0) as input_tokens,
  coalesce(sum(cache_read_tokens), 0) as cache_read_tokens,
  coalesce(sum(output_tokens), 0) as output_tokens,
  count(*) filter (where cost_status = 'not_sent') as refused_calls
from tollgate_calls
group by 1
order by cost_usd desc;

-- view: workflow
-- A quantile is the smallest cost that at least so many percent of the workflows do not exceed.
with
  flows as (
    select coalesce(feature, 'untagged') as feature_name, workflow, count(*) as flow_calls, coalesce(sum(cost_usd), 0) as flow_usd
    from tollgate_calls
    where workflow is not null and workflow <> 'untagged'
    group by 1, 2
  ),
  ranked as (
    select
      feature_name, flow_calls, flow_usd,
      row_number() over (partition by feature_name order by flow_usd) as place,
      count(*) over (partition by feature_name) as flows_of_feature
    from flows
  )
select
  feature_name as feature,
  count(*) as workflows,
  sum(flow_calls) as calls,
  sum(flow_usd) as cost_usd,
  min(case when place * 100 >= flows_of_feature * 50 then flow_usd end) as p50_usd,
  min(case when place * 100 >= flows_of_feature * 95 then flow_usd end) as p95_usd,
  max(flow_usd) as max_usd
from ranked
group by 1
order by cost_usd desc;

-- view: trend
select
  strftime(time, '%Y-%m-%d') as day,
  count(*) as calls,
  coalesce(sum(cost_usd), 0) as cost_usd,
  coalesce(sum(input_tokens), 0) as input_tokens,
  coalesce(sum(cache_read_tokens), 0) as cache_read_tokens,
  coalesce(sum(output_tokens), 0) as output_tokens,
  count(*) filter (where cost_status = 'not_sent') as refused_calls
from tollgate_calls
group by 1
order by day;

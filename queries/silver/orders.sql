-- One row per basket, latest version; times in UTC.
-- key: order_id
-- partition_by: month(ordered_at)
-- update: by_key
-- owner: sales-data
with lines as (
    select
        order_id,
        customer_id,
        store_id,
        ordered_at,
        _op,
        row_number() over (partition by order_id order by _ingested_at desc) as version_rank
    from bronze.orders
),

latest as (
    select * from lines
    where version_rank = 1 and _op = 'upsert'
)

select
    cast(order_id as bigint) as order_id,
    cast(customer_id as bigint) as customer_id,
    cast(store_id as bigint) as store_id,
    cast(replace(ordered_at, '+00', '') as timestamp(6)) as ordered_at
from latest

-- One row per basket line, latest version; money in dollars, times in UTC.
-- key: order_id, line_number
-- partition_by: month(ordered_at)
-- update: by_key
-- owner: sales-data
with lines as (
    select
        order_id,
        line_number,
        product_id,
        ordered_at,
        quantity,
        sales_value,
        retail_discount,
        coupon_discount,
        coupon_match_discount,
        _op,
        row_number() over (partition by order_id, line_number order by _ingested_at desc) as version_rank
    from bronze.order_items
),

latest as (
    select * from lines
    where version_rank = 1 and _op = 'upsert'
)

select
    cast(order_id as bigint) as order_id,
    cast(line_number as integer) as line_number,
    cast(product_id as bigint) as product_id,
    cast(replace(ordered_at, '+00', '') as timestamp(6)) as ordered_at,
    cast(quantity as integer) as quantity,
    cast(sales_value as decimal(10, 2)) as sales_value,
    cast(retail_discount as decimal(10, 2)) as retail_discount,
    cast(coupon_discount as decimal(10, 2)) as coupon_discount,
    cast(coupon_match_discount as decimal(10, 2)) as coupon_match_discount
from latest

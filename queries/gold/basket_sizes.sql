-- One row per month and size of basket.
-- key: order_month, basket_size
-- partition_by: month(order_month)
-- update: by_partition
-- owner: sales-analytics
with items as (
    select
        order_id,
        ordered_at,
        quantity,
        sales_value
    from silver.order_items
),

baskets as (
    select
        order_id,
        cast(date_trunc('month', cast(min(ordered_at) as date)) as date) as order_month,
        count(*) as lines,
        sum(quantity) as units,
        sum(sales_value) as net_sales
    from items
    group by order_id
),

sized as (
    select
        order_month,
        case
            when lines = 1 then '1 line'
            when lines <= 5 then '2 to 5 lines'
            when lines <= 10 then '6 to 10 lines'
            when lines <= 20 then '11 to 20 lines'
            else 'more than 20 lines'
        end as basket_size,
        lines,
        net_sales
    from baskets
)

select
    cast(order_month as date) as order_month,
    cast(basket_size as varchar) as basket_size,
    cast(count(*) as bigint) as orders,
    cast(sum(lines) as bigint) as lines,
    cast(sum(net_sales) as decimal(18, 2)) as net_sales
from sized
group by order_month, basket_size

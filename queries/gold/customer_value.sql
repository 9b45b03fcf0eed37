-- One row per customer who ever bought: value, frequency, and recency against the last day of the data.
-- key: customer_id
-- owner: sales-analytics
with items as (
    select
        order_id,
        sales_value
    from silver.order_items
),

orders as (
    select
        order_id,
        customer_id,
        cast(ordered_at as date) as order_date
    from silver.orders
),

last_day as (
    select max(order_date) as last_date from orders
),

bought as (
    select
        orders.customer_id,
        count(distinct orders.order_id) as orders,
        min(orders.order_date) as first_order_date,
        max(orders.order_date) as last_order_date,
        sum(items.sales_value) as net_sales
    from orders
    inner join items on orders.order_id = items.order_id
    group by orders.customer_id
),

ranked as (
    select
        bought.customer_id,
        bought.orders,
        bought.first_order_date,
        bought.last_order_date,
        bought.net_sales,
        date_diff('day', bought.last_order_date, last_day.last_date) as days_since_order,
        ntile(5) over (order by bought.net_sales, bought.customer_id) as value_fifth,
        ntile(5) over (order by bought.last_order_date, bought.customer_id) as recency_fifth
    from bought
    cross join last_day
)

select
    cast(customer_id as bigint) as customer_id,
    cast(orders as bigint) as orders,
    cast(first_order_date as date) as first_order_date,
    cast(last_order_date as date) as last_order_date,
    cast(days_since_order as bigint) as days_since_order,
    cast(net_sales as decimal(18, 2)) as net_sales,
    cast(value_fifth as integer) as value_fifth,
    cast(recency_fifth as integer) as recency_fifth,
    cast(case
        when value_fifth >= 4 and recency_fifth >= 4 then 'champion'
        when value_fifth >= 4 then 'valuable, slipping away'
        when recency_fifth >= 4 then 'active'
        when recency_fifth = 1 then 'lapsed'
        else 'occasional'
    end as varchar) as segment
from ranked

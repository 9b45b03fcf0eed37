-- One row per day and store with sales.
-- key: sales_date, store_id
-- partition_by: month(sales_date)
-- update: by_partition
-- owner: sales-analytics
with items as (
    select
        order_id,
        ordered_at,
        quantity,
        sales_value,
        retail_discount,
        coupon_discount,
        coupon_match_discount
    from silver.order_items
),

orders as (
    select
        order_id,
        store_id,
        customer_id
    from silver.orders
),

sold as (
    select
        cast(items.ordered_at as date) as sales_date,
        orders.store_id,
        orders.customer_id,
        items.order_id,
        items.quantity,
        items.sales_value,
        items.retail_discount + items.coupon_discount + items.coupon_match_discount as discount
    from items
    inner join orders on items.order_id = orders.order_id
)

select
    cast(sales_date as date) as sales_date,
    cast(store_id as bigint) as store_id,
    cast(count(distinct order_id) as bigint) as orders,
    cast(count(distinct customer_id) as bigint) as customers,
    cast(sum(quantity) as bigint) as units,
    cast(sum(sales_value) as decimal(18, 2)) as net_sales,
    cast(sum(discount) as decimal(18, 2)) as discounts
from sold
group by sales_date, store_id

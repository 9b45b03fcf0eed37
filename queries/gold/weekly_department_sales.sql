-- One row per week (beginning on Monday) and department with sales.
-- key: week_start, department
-- partition_by: month(week_start)
-- update: by_partition
-- owner: sales-analytics
with items as (
    select
        order_id,
        product_id,
        ordered_at,
        quantity,
        sales_value
    from silver.order_items
),

products as (
    select
        product_id,
        department
    from silver.products
),

sold as (
    select
        cast(date_trunc('week', cast(items.ordered_at as date)) as date) as week_start,
        products.department,
        items.order_id,
        items.quantity,
        items.sales_value
    from items
    inner join products on items.product_id = products.product_id
)

select
    cast(week_start as date) as week_start,
    cast(department as varchar) as department,
    cast(count(distinct order_id) as bigint) as orders,
    cast(sum(quantity) as bigint) as units,
    cast(sum(sales_value) as decimal(18, 2)) as net_sales
from sold
group by week_start, department

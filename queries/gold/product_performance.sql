-- One row per article ever sold, with its rank by sales in its department.
-- key: product_id
-- owner: sales-analytics
with items as (
    select
        order_id,
        product_id,
        ordered_at,
        quantity,
        sales_value,
        retail_discount
    from silver.order_items
),

products as (
    select
        product_id,
        department,
        brand,
        product_category,
        product_type
    from silver.products
),

sold as (
    select
        product_id,
        count(distinct order_id) as orders,
        sum(quantity) as units,
        sum(sales_value) as net_sales,
        sum(retail_discount) as retail_discounts,
        min(cast(ordered_at as date)) as first_sold_on,
        max(cast(ordered_at as date)) as last_sold_on
    from items
    group by product_id
)

select
    cast(products.product_id as bigint) as product_id,
    cast(products.department as varchar) as department,
    cast(products.brand as varchar) as brand,
    cast(products.product_category as varchar) as product_category,
    cast(products.product_type as varchar) as product_type,
    cast(sold.orders as bigint) as orders,
    cast(sold.units as bigint) as units,
    cast(sold.net_sales as decimal(18, 2)) as net_sales,
    cast(sold.retail_discounts as decimal(18, 2)) as retail_discounts,
    cast(sold.first_sold_on as date) as first_sold_on,
    cast(sold.last_sold_on as date) as last_sold_on,
    cast(row_number() over (
        partition by products.department order by sold.net_sales desc, products.product_id asc
    ) as bigint) as department_rank
from sold
inner join products on sold.product_id = products.product_id

-- gold.daily_store_sales, told by PostgreSQL from the source itself.
select
    (o.ordered_at at time zone 'UTC')::date as sales_date,
    o.store_id,
    count(*) as orders,
    count(distinct o.customer_id) as customers,
    sum(i.units)::bigint as units,
    sum(i.net_sales)::numeric(18, 2) as net_sales,
    sum(i.discounts)::numeric(18, 2) as discounts
from orders o
join lateral (
    select sum(quantity) as units,
           sum(sales_value) as net_sales,
           sum(retail_discount) + sum(coupon_discount) + sum(coupon_match_discount) as discounts
    from order_items where order_id = o.order_id and quantity >= 0
    having count(*) > 0
) i on true
group by 1, 2

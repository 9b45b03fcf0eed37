-- Which valuable customers have not been seen for a month, most valuable first?
select
    customer_id,
    net_sales,
    orders,
    last_order_date,
    days_since_order
from gold.customer_value
where value_fifth >= 4 and days_since_order > 30
order by net_sales desc, customer_id asc
limit 20

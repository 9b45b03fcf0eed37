-- Which ten stores sell most, and how much does a visit bring?
select
    store_id,
    cast(sum(orders) as bigint) as orders,
    cast(sum(net_sales) as decimal(18, 2)) as net_sales,
    round(cast(sum(net_sales) as double) / nullif(cast(sum(orders) as double), 0e0), 2) as sales_per_order
from gold.daily_store_sales
group by store_id
order by net_sales desc, store_id asc
limit 10

-- How large are baskets, and which sizes bring the money?
select
    basket_size,
    cast(sum(orders) as bigint) as orders,
    cast(sum(net_sales) as decimal(18, 2)) as net_sales,
    round(cast(sum(net_sales) as double) / cast(sum(orders) as double), 2) as sales_per_order
from gold.basket_sizes
group by basket_size
order by net_sales desc, basket_size asc

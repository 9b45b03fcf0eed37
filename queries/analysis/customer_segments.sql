-- How are customers and their money spread over the segments of value and recency?
select
    segment,
    count(*) as customers,
    cast(sum(net_sales) as decimal(18, 2)) as net_sales,
    round(cast(sum(net_sales) as double) / cast(count(*) as double), 2) as sales_per_customer
from gold.customer_value
group by segment
order by net_sales desc, segment asc

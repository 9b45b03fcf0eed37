-- On which days of the week do people shop, and how much do they spend?
select
    case extract(day_of_week from sales_date)
        when 1 then 'Monday'
        when 2 then 'Tuesday'
        when 3 then 'Wednesday'
        when 4 then 'Thursday'
        when 5 then 'Friday'
        when 6 then 'Saturday'
        else 'Sunday'
    end as weekday,
    cast(sum(orders) as bigint) as orders,
    cast(sum(net_sales) as decimal(18, 2)) as net_sales
from gold.daily_store_sales
group by 1
order by net_sales desc

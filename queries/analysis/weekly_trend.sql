-- How do sales go from week to week, and against the week before?
with weeks as (
    select
        week_start,
        cast(sum(net_sales) as decimal(18, 2)) as net_sales
    from gold.weekly_department_sales
    group by week_start
)

select
    week_start,
    net_sales,
    cast(net_sales - lag(net_sales) over (order by week_start) as decimal(18, 2)) as change
from weeks
order by week_start

-- On which days of the week do people shop, and how much do they spend?
with days as (
    select
        orders,
        net_sales,
        -- 3 January 2000 was a Monday; the engines number weekdays differently
        date_diff('day', date '2000-01-03', sales_date) % 7 as days_after_monday
    from gold.daily_store_sales
),

named as (
    select
        orders,
        net_sales,
        case days_after_monday
            when 0 then 'Monday'
            when 1 then 'Tuesday'
            when 2 then 'Wednesday'
            when 3 then 'Thursday'
            when 4 then 'Friday'
            when 5 then 'Saturday'
            else 'Sunday'
        end as weekday
    from days
)

select
    weekday,
    cast(sum(orders) as bigint) as orders,
    cast(sum(net_sales) as decimal(18, 2)) as net_sales
from named
group by weekday
order by net_sales desc, weekday asc

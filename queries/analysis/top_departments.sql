-- Which departments bring the money, and what share each?
with departments as (
    select
        department,
        cast(sum(net_sales) as decimal(18, 2)) as net_sales
    from gold.weekly_department_sales
    group by department
)

select
    department,
    net_sales,
    round(100e0 * cast(net_sales as double) / cast(sum(net_sales) over () as double), 1) as share_percent
from departments
order by net_sales desc, department asc
limit 10

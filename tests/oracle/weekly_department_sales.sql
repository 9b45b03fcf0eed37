-- gold.weekly_department_sales, told by PostgreSQL from the source itself.
select
    (i.ordered_at at time zone 'UTC')::date - (extract(isodow from i.ordered_at at time zone 'UTC')::int - 1) as week_start,
    upper(trim(p.department)) as department,
    count(distinct i.order_id) as orders,
    sum(i.quantity)::bigint as units,
    sum(i.sales_value)::numeric(18, 2) as net_sales
from order_items i natural join (select product_id, department from products) p
where i.quantity >= 0
group by 1, 2

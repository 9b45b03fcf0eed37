-- What are the three best sellers of each of the big departments?
select
    department,
    department_rank,
    product_id,
    product_type,
    units,
    net_sales
from gold.product_performance
where department_rank <= 3 and department in ('GROCERY', 'PRODUCE', 'MEAT', 'DRUG GM', 'DELI')
order by department, department_rank

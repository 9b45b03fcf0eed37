-- Of the customers who first came in a month, how many came back one, three and six months later?
select
    cohort_month,
    max(cohort_customers) as cohort_customers,
    round(
        100e0
        * cast(max(case when months_after = 1 then customers end) as double)
        / cast(max(cohort_customers) as double),
        1
    )
        as back_after_1_percent,
    round(
        100e0
        * cast(max(case when months_after = 3 then customers end) as double)
        / cast(max(cohort_customers) as double),
        1
    )
        as back_after_3_percent,
    round(
        100e0
        * cast(max(case when months_after = 6 then customers end) as double)
        / cast(max(cohort_customers) as double),
        1
    )
        as back_after_6_percent
from gold.retention_cohorts
group by cohort_month
order by cohort_month

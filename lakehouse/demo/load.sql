insert into sales.public.customers
select h.household_id, d.age, d.income, d.home_ownership, d.marital_status, d.household_size, d.household_comp, d.kids_count
from (select household_id from transactions union select household_id from campaigns) h
left join demographics d using (household_id)
order by 1;

insert into sales.public.stores
select store_id, 'Store ' || store_id from (select distinct store_id from transactions) order by 1;

insert into sales.public.products
select product_id, manufacturer_id, coalesce(department, 'UNKNOWN'), coalesce(brand, 'Unknown'), product_category, product_type, package_size
from products
union all
select product_id, null, 'UNKNOWN', 'Unknown', null, null, null
from (select product_id from transactions union select product_id from coupons)
where product_id not in (select product_id from products)
order by 1;

insert into sales.public.orders
select basket_id, any_value(household_id), any_value(store_id), min(transaction_timestamp)::timestamptz
from transactions group by basket_id order by 4, 1;

insert into sales.public.order_items
select
    basket_id,
    row_number() over (partition by basket_id order by product_id, quantity, sales_value, retail_disc, coupon_disc, coupon_match_disc)::integer,
    product_id,
    min(transaction_timestamp) over (partition by basket_id)::timestamptz,
    quantity::integer,
    sales_value::decimal(10, 2),
    retail_disc::decimal(10, 2),
    coupon_disc::decimal(10, 2),
    coupon_match_disc::decimal(10, 2)
from transactions
order by 4, 1, 2;

insert into sales.public.campaigns
select campaign_id::integer, campaign_type, start_date::date, end_date::date from campaign_descriptions order by 1;

insert into sales.public.campaign_customers
select distinct campaign_id::integer, household_id from campaigns order by 1, 2;

insert into sales.public.coupons
select distinct campaign_id::integer, coupon_upc from coupons
union
select distinct campaign_id::integer, coupon_upc from coupon_redemptions
order by 1, 2;

insert into sales.public.coupon_products
select distinct campaign_id::integer, coupon_upc, product_id from coupons order by 1, 2, 3;

insert into sales.public.coupon_redemptions
select row_number() over (order by redemption_date, household_id, coupon_upc, campaign_id), household_id, campaign_id::integer, coupon_upc, redemption_date::date
from coupon_redemptions order by 1;

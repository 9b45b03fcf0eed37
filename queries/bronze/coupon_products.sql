-- The articles a coupon is good for.
-- owner: sales-data
select * from source.coupon_products

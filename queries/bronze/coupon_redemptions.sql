-- Coupons handed in at the till.
-- owner: sales-data
select * from source.coupon_redemptions

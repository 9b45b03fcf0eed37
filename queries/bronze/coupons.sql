-- Coupons by the campaign that sent them.
-- owner: sales-data
select * from source.coupons

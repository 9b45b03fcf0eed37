-- Mailings of coupons, exactly as planned.
-- owner: sales-data
select * from source.campaigns

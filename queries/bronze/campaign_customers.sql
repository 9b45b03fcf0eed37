-- Who was mailed which campaign.
-- owner: sales-data
select * from source.campaign_customers

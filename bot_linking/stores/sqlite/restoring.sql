-- `main` is the backup that is made ready, `now` the database that it will replace.

-- name: count_links
select count(*) as links from main.links where account_id is not null

-- name: newest_change
select max(at) as at from main.history

-- name: count_waiting
select count(*) as waiting from main.outbox where dead_at is null

-- name: count_come_back
select count(*) as links from main.links as old
where account_id is not null and not exists (
  select 1 from now.links as new
  where new.page_id = old.page_id and new.psid = old.psid and new.account_id is not null)

-- name: count_lost
select count(*) as links from now.links as new
where account_id is not null and not exists (
  select 1 from main.links as old
  where new.page_id = old.page_id and new.psid = old.psid and old.account_id is not null)

-- name: drop_sent
delete from main.outbox
where id not in (select id from now.outbox)
  and id <= (select max(seq) from now.sqlite_sequence where name = 'outbox')

-- name: revoke_again
update main.api_keys
set revoked_at = (select revoked_at from now.api_keys as new where new.id = main.api_keys.id)
where revoked_at is null and id in (select id from now.api_keys where revoked_at is not null)

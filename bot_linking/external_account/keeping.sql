-- What `restore` keeps of the database that it replaces, `now`, in the backup that it makes ready, `main`. That
-- may be older than the backup: nothing that it lacks may take a second factor away.

-- name: find_same
-- An application that was made at another time was made anew: its database does not come from this one.
create temp table same_apps as
select app_key from now.external_apps join main.external_apps using (app_key, created_at)

-- name: find_later
create temp table later_factors as
select app_key, user_id from now.external_second_factors as new
where app_key in (select app_key from same_apps) and not exists (
  select 1 from main.external_second_factors as old
  where old.app_key = new.app_key and old.user_id = new.user_id and old.enrolled_at >= new.enrolled_at)

-- name: count_kept
select (select count(*) from later_factors) + (
  select count(*) from main.external_tokens
  where app_key in (select app_key from same_apps) and id not in (select id from now.external_tokens)) as kept

-- name: end_tokens
delete from main.external_tokens
where app_key in (select app_key from same_apps) and id not in (select id from now.external_tokens)

-- name: find_same_factors
create temp table same_factors as
select app_key, user_id from now.external_second_factors
join main.external_second_factors using (app_key, user_id, enrolled_at)
where app_key in (select app_key from same_apps)

-- name: keep_same
-- Under the keys that are in use now; a code that was used stays used, and a lock stays.
update main.external_second_factors as old set (secret, last_step, failures, failed_at) = (
  select secret, max(old.last_step, last_step), max(old.failures, failures),
         case when old.failures > failures then old.failed_at else failed_at end
  from now.external_second_factors as new
  where new.app_key = old.app_key and new.user_id = old.user_id)
where (app_key, user_id) in (select app_key, user_id from same_factors)

-- name: end_used_codes
-- A code that one of the two lacks was used.
delete from main.external_recovery_codes
where (app_key, user_id, digest) not in (select app_key, user_id, digest from now.external_recovery_codes)
  and (app_key, user_id) in (select app_key, user_id from same_factors)

-- name: drop_earlier_codes
delete from main.external_recovery_codes where (app_key, user_id) in (select app_key, user_id from later_factors)

-- name: keep_later
insert or replace into main.external_second_factors
  (app_key, user_id, secret, last_step, failures, failed_at, enrolled_at)
select app_key, user_id, secret, last_step, failures, failed_at, enrolled_at
from now.external_second_factors where (app_key, user_id) in (select app_key, user_id from later_factors)

-- name: keep_later_codes
insert into main.external_recovery_codes (app_key, user_id, digest)
select app_key, user_id, digest from now.external_recovery_codes
where (app_key, user_id) in (select app_key, user_id from later_factors)

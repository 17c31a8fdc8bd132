-- What `restore` keeps of the database that it replaces, `now`, in the backup that it makes ready, `main`.

-- name: find_same
-- An application that was made at another time was made anew: its database does not come from this one.
create temp table same_apps as
select app_key from now.external_apps join main.external_apps using (app_key, created_at)

-- name: count_kept
select
  (select count(*) from main.external_tokens
   where app_key in (select app_key from same_apps) and id not in (select id from now.external_tokens))
  + (select count(*) from main.external_second_factors
     where app_key in (select app_key from same_apps)
       and (app_key, user_id) not in (select app_key, user_id from now.external_second_factors))
  + (select count(*) from now.external_second_factors
     where app_key in (select app_key from same_apps)
       and (app_key, user_id, secret) not in (select app_key, user_id, secret from main.external_second_factors)) as kept

-- name: end_tokens
delete from main.external_tokens
where app_key in (select app_key from same_apps) and id not in (select id from now.external_tokens)

-- name: drop_codes
delete from main.external_recovery_codes where app_key in (select app_key from same_apps)

-- name: drop_factors
delete from main.external_second_factors where app_key in (select app_key from same_apps)

-- name: keep_factors
insert into main.external_second_factors
  (app_key, user_id, secret, last_step, failures, failed_at, enrolled_at)
select app_key, user_id, secret, last_step, failures, failed_at, enrolled_at
from now.external_second_factors where app_key in (select app_key from same_apps)

-- name: keep_codes
insert into main.external_recovery_codes (app_key, user_id, digest)
select app_key, user_id, digest from now.external_recovery_codes where app_key in (select app_key from same_apps)

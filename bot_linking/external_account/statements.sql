-- name: external_save_app
insert into external_apps (app_key, created_at) values (:app_key, :now) on conflict do nothing

-- name: external_find_app
select app_key from external_apps where app_key = :app_key and opened_at is not null

-- name: external_open_app
update external_apps set opened_at = :now where app_key = :app_key and opened_at is null

-- name: external_list_apps
select app_key, created_at from external_apps order by created_at, app_key

-- name: external_bind
insert into external_accounts (app_key, user_id, platform, union_id, platform_name, avatar, data, enabled,
                               created_at, updated_at)
values (:app_key, :user_id, :platform, :union_id, :platform_name, :avatar, :data, 1, :now, :now)
on conflict (app_key, platform, union_id) do nothing
returning id

-- name: external_find_pair
select id, user_id from external_accounts
where app_key = :app_key and platform = :platform and union_id = :union_id

-- name: external_count_accounts
select count(*) as held from external_accounts where app_key = :app_key and user_id = :user_id

-- name: external_list_accounts
select id, user_id, platform_name, platform, coalesce(psid, union_id) as union_id, avatar, data, enabled,
       created_at, updated_at
from external_accounts
where app_key = :app_key and user_id = :user_id
  and (cast(:page_id as text) is null or page_id = :page_id)
order by id

-- name: external_update
update external_accounts set avatar = coalesce(:avatar, avatar), data = coalesce(:data, data),
  enabled = coalesce(:enabled, enabled), updated_at = :now
where app_key = :app_key and user_id = :user_id and id = :id
returning enabled

-- name: external_unbind
delete from external_accounts
where app_key = :app_key and user_id = :user_id and id = :id and page_id is null

-- name: external_find_account
select id from external_accounts where app_key = :app_key and user_id = :user_id and id = :id

-- name: external_unbind_other_user
-- A row of a process of the release before has no psid. With `|| ''` no index of an application's is taken, which
-- may have a million accounts on one platform: SQLite would prefer it to the two by the person.
delete from external_accounts
where app_key || '' = :app_key and platform = :platform and (psid = :psid or union_id = :psid)
  and (page_id is null or page_id = :page_id) and user_id <> :user_id

-- name: external_claim_for_link
update external_accounts set page_id = :page_id, psid = :psid
where app_key = :app_key and platform = :platform and union_id = :psid and page_id is null

-- name: external_bind_link
insert into external_accounts (app_key, user_id, platform, union_id, platform_name, avatar, data, enabled,
                               page_id, psid, created_at, updated_at)
select cast(:app_key as text), cast(:user_id as bigint), cast(:platform as text),
       case when exists (select 1 from external_accounts
                         where app_key = :app_key and platform = :platform and union_id = :psid)
            then cast(:page_id as text) || ':' || cast(:psid as text) else cast(:psid as text) end,
       cast(:platform_name as text), '', '', 1, cast(:page_id as text), cast(:psid as text),
       cast(:now as bigint), cast(:now as bigint)
where not exists (select 1 from external_accounts
                  where app_key || '' = :app_key and platform = :platform and (psid = :psid or union_id = :psid)
                    and page_id = :page_id)

-- name: external_unbind_link
delete from external_accounts
where platform = :platform and (psid = :psid or union_id = :psid) and (page_id = :page_id or page_id is null)

-- name: external_erase
delete from external_accounts
where platform = :platform and (psid = :psid or union_id = :psid)
  and (cast(:page_id as text) is null or page_id = :page_id or page_id is null)

-- name: external_hold_account
update external_accounts set enabled = enabled
where app_key = :app_key and platform = :platform and union_id = :union_id
returning id, user_id, enabled

-- name: external_hold_linked
-- By the person's indexes, as above.
update external_accounts set enabled = enabled
where app_key || '' = :app_key and platform = :platform and (psid = :union_id or union_id = :union_id)
  and page_id is not null and (cast(:page_id as text) is null or page_id = :page_id)
returning id, user_id, enabled

-- name: external_save_token
insert into external_tokens (id, digest, app_key, user_id, account_id, scopes, created_at, expires_at)
values (:id, :digest, :app_key, :user_id, :account_id, :scopes, :now, :expires_at)

-- name: external_find_token
select id, app_key, user_id, account_id, scopes, created_at, expires_at
from external_tokens where digest = :digest and expires_at > :now

-- name: external_list_tokens
select id, app_key, user_id, account_id, scopes, created_at, expires_at
from external_tokens where expires_at > :now order by app_key, created_at, id

-- name: external_revoke_token
delete from external_tokens where id = :id or digest = :digest

-- name: external_revoke_tokens
delete from external_tokens
where app_key = :app_key and (cast(:user_id as bigint) is null or user_id = :user_id)

-- name: external_end_tokens_of_account
delete from external_tokens where account_id = :account_id

-- name: external_end_sign_ins
delete from external_tokens where app_key = :app_key and user_id = :user_id and account_id is not null

-- name: external_purge_tokens
delete from external_tokens where expires_at <= :now

-- name: external_save_second_factor
insert into external_second_factors (app_key, user_id, secret, last_step, failures, failed_at, enrolled_at)
values (:app_key, :user_id, :secret, 0, 0, '[]', :now)
on conflict (app_key, user_id) do update set secret = excluded.secret, last_step = 0, failures = 0,
  failed_at = '[]', enrolled_at = excluded.enrolled_at

-- name: external_find_second_factors
select app_key from external_second_factors where user_id = :user_id order by app_key

-- name: external_hold_second_factor
update external_second_factors set failures = failures
where app_key = :app_key and user_id = :user_id
returning secret, last_step, failures, failed_at

-- name: external_count_code
update external_second_factors set failures = :failures, failed_at = :failed_at
where app_key = :app_key and user_id = :user_id

-- name: external_accept_code
update external_second_factors set last_step = :step, failures = 0, failed_at = :failed_at
where app_key = :app_key and user_id = :user_id and last_step < :step

-- name: external_recover
update external_second_factors set failures = 0, failed_at = '[]'
where app_key = :app_key and user_id = :user_id

-- name: external_list_secrets
select app_key, user_id, secret from external_second_factors order by app_key, user_id

-- name: external_replace_secret
update external_second_factors set secret = :fresh
where app_key = :app_key and user_id = :user_id and secret = :secret

-- name: external_drop_second_factor
delete from external_second_factors where app_key = :app_key and user_id = :user_id

-- name: external_save_recovery_code
insert into external_recovery_codes (app_key, user_id, digest) values (:app_key, :user_id, :digest)

-- name: external_drop_recovery_codes
delete from external_recovery_codes where app_key = :app_key and user_id = :user_id

-- name: external_use_recovery_code
delete from external_recovery_codes where app_key = :app_key and user_id = :user_id and digest = :digest

-- name: external_export
select app_key, user_id, platform, coalesce(psid, union_id) as union_id, platform_name, avatar, data, enabled,
       page_id, created_at, updated_at
from external_accounts where platform = :platform and (psid = :psid or union_id = :psid)
  and (cast(:page_id as text) is null or page_id = :page_id)

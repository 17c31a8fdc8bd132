-- The statements that follow a link, for many people at once, in the order in which they are made. No person comes
-- twice in one of them for one application. With `|| ''` no index of an application's is taken, as in
-- `statements.sql`: PostgreSQL would prefer it until the first ANALYZE.

-- name: external_unbind_link
delete from external_accounts
using unnest(cast(:platform as text[]), cast(:psid as text[]), cast(:page_id as text[]))
      as given (platform, psid, page_id)
where external_accounts.platform = given.platform
  and (external_accounts.psid = given.psid or union_id = given.psid)
  and (external_accounts.page_id = given.page_id or external_accounts.page_id is null)

-- name: external_unbind_other_user
delete from external_accounts
using unnest(cast(:app_key as text[]), cast(:user_id as bigint[]), cast(:platform as text[]), cast(:psid as text[]),
             cast(:page_id as text[])) as given (app_key, user_id, platform, psid, page_id)
where external_accounts.app_key || '' = given.app_key and external_accounts.platform = given.platform
  and (external_accounts.psid = given.psid or union_id = given.psid)
  and (external_accounts.page_id is null or external_accounts.page_id = given.page_id)
  and external_accounts.user_id <> given.user_id

-- name: external_claim_for_link
update external_accounts set page_id = given.page_id, psid = given.psid
from unnest(cast(:app_key as text[]), cast(:platform as text[]), cast(:psid as text[]), cast(:page_id as text[]))
     as given (app_key, platform, psid, page_id)
where external_accounts.app_key = given.app_key and external_accounts.platform = given.platform
  and union_id = given.psid and external_accounts.page_id is null

-- name: external_bind_link
insert into external_accounts (app_key, user_id, platform, union_id, platform_name, avatar, data, enabled,
                               page_id, psid, created_at, updated_at)
select app_key, user_id, platform,
       case when exists (select 1 from external_accounts as held
                         where held.app_key = given.app_key and held.platform = given.platform
                           and held.union_id = given.psid)
            then page_id || ':' || psid else psid end,
       platform_name, '', '', 1, page_id, psid, now, now
from unnest(cast(:app_key as text[]), cast(:user_id as bigint[]), cast(:platform as text[]),
            cast(:platform_name as text[]), cast(:page_id as text[]), cast(:psid as text[]), cast(:now as bigint[]))
     with ordinality as given (app_key, user_id, platform, platform_name, page_id, psid, now, nth)
where not exists (select 1 from external_accounts as held
                  where held.app_key || '' = given.app_key and held.platform = given.platform
                    and (held.psid = given.psid or held.union_id = given.psid) and held.page_id = given.page_id)
order by nth

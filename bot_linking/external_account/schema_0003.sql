-- A PSID is nothing without its page. A row that a link made has the PSID in psid beside its page_id, and there
-- is one for each page. Its union_id is the PSID where that is free in the application, so that a process of
-- the release before finds it, and page_id:PSID where a link on another page has it.
alter table external_accounts add column psid text;
update external_accounts set platform = lower(platform)
where platform <> lower(platform) and not exists (
  select 1 from external_accounts other
  where other.app_key = external_accounts.app_key and other.union_id = external_accounts.union_id
    and lower(other.platform) = lower(external_accounts.platform)
    and (other.platform = lower(other.platform) or other.id < external_accounts.id));
update external_accounts set psid = union_id where platform = 'messenger' and page_id is not null;
create unique index external_accounts_by_link on external_accounts (app_key, page_id, psid) where psid is not null;
create index external_accounts_by_psid on external_accounts (psid) where psid is not null;
-- A pair of platform messenger that a call bound was never proven: nobody signs in by it.
delete from external_tokens where account_id in (
  select id from external_accounts where platform = 'messenger' and page_id is null);
-- A user's number that was really a name: the link's account has moved into the space of names.
delete from external_accounts where psid is not null and exists (
  select 1 from links where links.page_id = external_accounts.page_id and links.psid = external_accounts.psid
    and links.named_id = external_accounts.user_id || '' and links.account_id <> links.named_id);

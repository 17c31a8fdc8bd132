-- Where PostgreSQL must be told what kind of value may be null.

-- name: external_erase
delete from external_accounts
where platform = :platform and union_id = :union_id
  and (cast(:page_id as text) is null or page_id = :page_id or page_id is null)

-- name: external_revoke_tokens
delete from external_tokens
where app_key = :app_key and (cast(:user_id as bigint) is null or user_id = :user_id)

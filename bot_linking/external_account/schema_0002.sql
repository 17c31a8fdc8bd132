-- When the application's first token was handed out. Until then it is half made, and nobody's.
alter table external_apps add column opened_at {bigint};
update external_apps set opened_at = created_at;

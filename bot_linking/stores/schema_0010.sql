-- How far an attempt has come is a fact of its own, asked by every reader (core/journey.py). What an older
-- release keeps meanwhile counts as opened: the safe end.
alter table attempts add column stage text not null default 'opened';
alter table attempts add column way text not null default 'login';
alter table attempts add column page_hint text;
alter table attempts add column second_factor_at {bigint};
-- Why a form was not taken, and what stood in it, as JSON.
alter table attempts add column refusal text;

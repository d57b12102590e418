{#- Loads the source, in place of a system outside of dbt: each call brings the next delivery, as long as there is one.
    The second corrects a reading of the first day, and does not repeat the other. -#}
{% macro deliver() %}
  {% set raw = source('raw', 'readings') %}
  {% do run_query("create schema if not exists " ~ raw.without_identifier()) %}
  {% do run_query("create table if not exists " ~ raw ~ " (station bigint, day date, celsius double, loaded_at timestamp)") %}
  {% set delivery = [
    "(1, date '2026-07-01', 20.5), (2, date '2026-07-01', 11.0)",
    "(1, date '2026-07-01', 21.0), (1, date '2026-07-02', 22.0), (2, date '2026-07-02', 12.5)",
  ][deliveries()] %}
  {% if delivery %}
    {% do run_query("insert into " ~ raw ~ " select *, current_timestamp() from values " ~ delivery) %}
  {% endif %}
{% endmacro %}

{% macro deliveries() %}
  {% set count = "select count(distinct loaded_at) from " ~ source('raw', 'readings') %}
  {% do return(run_query(count).columns[0][0] | int if execute else 1) %}
{% endmacro %}

{#- What is newer than the model itself. -#}
{% macro new_readings() %}
  select r.station, r.day, r.celsius, s.place, r.loaded_at
  from {{ source('raw', 'readings') }} as r
  join {{ ref('stations') }} as s on s.id = r.station
  {% if is_incremental() %}where r.loaded_at > (select max(loaded_at) from {{ this }}){% endif %}
{% endmacro %}

{#- The rows that a relation has too many, and those that it lacks. There may be one text of rows for each delivery. -#}
{% macro differs(relation, columns, expected) %}
  {% set rows = expected if expected is string else expected[deliveries() - 1] %}
  (select * from values {{ rows }} except all select {{ columns }} from {{ relation }})
  union all
  (select {{ columns }} from {{ relation }} except all select * from values {{ rows }})
{% endmacro %}

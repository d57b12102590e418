{{ config(materialized='view') }}
select r.day, max(r.celsius) as celsius, max_by(s.name, r.celsius) as name, max_by(ST_AsEWKT(r.place), r.celsius) as place
from {{ ref('merged') }} as r
join {{ ref('stations') }} as s on s.id = r.station
group by r.day
